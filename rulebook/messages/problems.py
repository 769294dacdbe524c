"""RFC 9457 problem details, as both services answer them and terminals read them."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, ConfigDict

MEDIA_TYPE = "application/problem+json"


class Problem(BaseModel):
    """``type`` is ``about:blank`` or a tag URI of ours; ``reason`` our named refusal, ``errors`` every fault found,
    each with ``field`` and ``message``."""

    model_config = ConfigDict(frozen=True, extra="allow")

    type: str = "about:blank"
    title: str
    status: int
    detail: str = ""
    reason: str = ""
    errors: list[dict[str, Any]] = []
