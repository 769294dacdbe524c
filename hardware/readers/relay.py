"""The counter's reader used from the office: its card is at the far end of a WebSocket.

Text messages of JSON: ``{"transmit": hex}`` or ``{"reset": true}`` down; ``{"response": hex}``, ``{"atr": hex}`` or
``{"gone": true}`` up. Each message down is answered by exactly one up, of at most ``MESSAGE_LIMIT`` characters and within
``ANSWER_LIMIT_S`` seconds (both ours): who sits at the counter is not trusted to keep the office waiting.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from typing import Any

from card_os.wire.dialogue import CardGone
from hardware.readers.connection import Connection

MESSAGE_LIMIT = 2048  # a short answer APDU has 258 bytes
ANSWER_LIMIT_S = 30.0


class MalformedRelay(ValueError):
    """The other end does not speak this protocol."""


class RelayedCard:
    """An ``AsyncConnection`` to the card at the counter.

    ``send`` and ``receive`` are the two coroutines of an accepted WebSocket (FastAPI: ``send_text``, ``receive_text``).
    What they raise when the line breaks comes out as ``CardGone`` with its cause, as ``MalformedRelay`` does not.
    """

    def __init__(self, send: Callable[[str], Awaitable[Any]], receive: Callable[[], Awaitable[str]]) -> None:
        self._send = send
        self._receive = receive

    async def transmit(self, command: bytes) -> bytes:
        return await self._ask({"transmit": command.hex()}, "response")

    async def reset(self) -> bytes:
        """Power the card down and up; its ATR."""
        return await self._ask({"reset": True}, "atr")

    async def _ask(self, question: dict[str, Any], wanted: str) -> bytes:
        try:
            async with asyncio.timeout(ANSWER_LIMIT_S):
                await self._send(json.dumps(question))
                text = await self._receive()
        except TimeoutError as silent:
            raise CardGone(f"the counter did not answer within {ANSWER_LIMIT_S:g} s") from silent
        except Exception as broken:
            raise CardGone("the line to the counter broke") from broken
        answer = _parse(text)
        if answer.get("gone") is True:
            raise CardGone("the card left the counter's reader")
        return _hex(answer, wanted)


def answer(question: dict[str, Any], connection: Connection) -> dict[str, Any]:
    """The counter's answer, from ``connection``, to one message of the office. Raises ``MalformedRelay``."""
    try:
        if question.get("reset") is True:
            return {"atr": connection.reset().hex()}
        return {"response": connection.transmit(_hex(question, "transmit")).hex()}
    except CardGone:
        return {"gone": True}


def _parse(text: str) -> dict[str, Any]:
    if len(text) > MESSAGE_LIMIT:
        raise MalformedRelay(f"a message of the relay has {len(text)} characters; at most {MESSAGE_LIMIT} are taken")
    try:
        message = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise MalformedRelay("a message of the relay is no JSON") from error
    if not isinstance(message, dict):
        raise MalformedRelay("a message of the relay is no JSON object")
    return message


def _hex(message: dict[str, Any], field: str) -> bytes:
    # The content is never shown: a command may hold a key or a PIN.
    try:
        return bytes.fromhex(message[field])
    except KeyError:
        raise MalformedRelay(f"a message of the relay lacks {field!r}") from None
    except (TypeError, ValueError):
        raise MalformedRelay(f"{field!r} of the relay is no hex text") from None
