"""The common form of all messages: frozen, closed, bytes as hex."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict, PlainSerializer


class Message(BaseModel):
    """Unknown fields are refused; a message never changes after it is built."""

    model_config = ConfigDict(frozen=True, extra="forbid")


def _from_hex(value: Any) -> Any:
    if isinstance(value, str):
        try:
            return bytes.fromhex(value)
        except ValueError as error:
            raise ValueError("must be hexadecimal digits, two for each byte") from error
    return value


Hex = Annotated[bytes, BeforeValidator(_from_hex), PlainSerializer(lambda value: value.hex().upper(), return_type=str)]
