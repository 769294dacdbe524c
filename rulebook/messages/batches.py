"""Batches of many devices that somebody else brings (docs/doors.md, "HTTP"): what clearing says to each."""

from __future__ import annotations

from rulebook.messages.base import Hex, Message
from rulebook.messages.devices import BatchReceipt
from rulebook.messages.problems import Problem


class BatchAnswer(Message):
    """``content_hash`` as of ``rulebook.batch.Batch``: the SHA-256 of everything before the signature. Either ``receipt`` or
    ``problem``."""

    content_hash: Hex
    receipt: BatchReceipt | None = None
    problem: Problem | None = None


class BatchAnswers(Message):
    """In the order of what was brought."""

    answers: list[BatchAnswer]
