"""Answer a dialogue from real ports."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Generator
from dataclasses import dataclass, replace
from typing import Any, Protocol, TypeVar

from card_os.wire.apdu import EXTENDED_MAXIMUM, SHORT_MAXIMUM, CommandApdu, ResponseApdu
from card_os.wire.dialogue import Ask, CardGone, Dialogue, Persist, SamRefused, ToCard, ToHost, ToSam, ToVault
from hardware.readers.connection import Connection

T = TypeVar("T")

Handler = Callable[[Any], Any]


class AsyncConnection(Protocol):
    """A card at the far end of a network: the counter's reader as issuing sees it."""

    async def transmit(self, command: bytes) -> bytes:
        """One command APDU, its answer back. Raises ``CardGone``."""


def _no_port(question: Any) -> Any:
    raise LookupError(f"this dialogue asks {type(question).__name__}, and no port for it was given")


@dataclass(frozen=True, slots=True)
class Ports:
    """Where the answers come from. A port that is not given must not be asked."""

    card: Connection | None = None
    sam: Connection | None = None
    vault: Handler = _no_port
    host: Handler = _no_port
    persist: Handler = _no_port


@dataclass(frozen=True, slots=True)
class AsyncPorts:
    """The same for ``drive_async``; vault, host and persist may be coroutines' functions."""

    card: AsyncConnection | None = None
    vault: Callable[[Any], Awaitable[Any]] | None = None
    host: Callable[[Any], Awaitable[Any]] | None = None
    persist: Callable[[Any], Awaitable[Any]] | None = None


def exchange(connection: Connection, command: CommandApdu) -> ResponseApdu:
    """One command with its 61xx (GET RESPONSE) and 6Cxx (repeat with right Le) resolved (ISO/IEC 7816-3 §12.2)."""
    conversation = _resolve(command)
    raw = next(conversation)
    while True:
        try:
            raw = conversation.send(connection.transmit(raw))
        except StopIteration as done:
            answer: ResponseApdu = done.value
            return answer


async def exchange_async(connection: AsyncConnection, command: CommandApdu) -> ResponseApdu:
    """``exchange`` over an ``AsyncConnection``."""
    conversation = _resolve(command)
    raw = next(conversation)
    while True:
        try:
            raw = conversation.send(await connection.transmit(raw))
        except StopIteration as done:
            answer: ResponseApdu = done.value
            return answer


def _resolve(command: CommandApdu) -> Generator[bytes, bytes, ResponseApdu]:
    response = ResponseApdu.parse((yield command.encode()))
    if (length := response.sw.right_length) is not None:
        response = ResponseApdu.parse((yield replace(command, ne=length).encode()))
    data, fetched = response.data, False
    while (available := response.sw.bytes_available) is not None:
        if len(data) > EXTENDED_MAXIMUM or (fetched and not response.data):
            raise CardGone("the card announces more and more data and never ends its answer")
        fetched = True
        fetch = CommandApdu(command.cla & 0x03, 0xC0, 0, 0, ne=min(available, SHORT_MAXIMUM))
        response = ResponseApdu.parse((yield fetch.encode()))
        data += response.data
    return ResponseApdu(data, response.sw)


def drive(dialogue: Dialogue[T], ports: Ports) -> T:
    """Run ``dialogue`` to its end. A failing port raises into the dialogue; what it does not catch comes out here."""
    try:
        ask = next(dialogue)
        while True:
            try:
                answer = _answer(ask, ports)
            except Exception as failure:
                ask = dialogue.throw(failure)
            else:
                ask = dialogue.send(answer)
    except StopIteration as done:
        result: T = done.value
        return result


def _answer(ask: Ask, ports: Ports) -> Any:
    match ask:
        case ToCard(command):
            return exchange(_given(ports.card, ask), command)
        case ToSam(command):
            return _exchange_with_sam(_given(ports.sam, ask), command)
        case ToVault(operation):
            return ports.vault(operation)
        case ToHost(message):
            return ports.host(message)
        case Persist(record):
            return ports.persist(record)


async def drive_async(dialogue: Dialogue[T], ports: AsyncPorts) -> T:
    """``drive`` for a service: the card is at the far end of a network. There is no SAM port."""
    try:
        ask = next(dialogue)
        while True:
            try:
                answer = await _answer_async(ask, ports)
            except Exception as failure:
                ask = dialogue.throw(failure)
            else:
                ask = dialogue.send(answer)
    except StopIteration as done:
        result: T = done.value
        return result


def _exchange_with_sam(sam: Connection, command: CommandApdu) -> ResponseApdu:
    try:
        return exchange(sam, command)
    except CardGone as gone:  # the SAM is not the card: the dialogue must not take one for the other
        raise SamRefused("the SAM does not answer") from gone


async def _answer_async(ask: Ask, ports: AsyncPorts) -> Any:
    match ask:
        case ToCard(command):
            return await exchange_async(_given(ports.card, ask), command)
        case ToVault(operation):
            return await _given(ports.vault, ask)(operation)
        case ToHost(message):
            return await _given(ports.host, ask)(message)
        case Persist(record):
            return await _given(ports.persist, ask)(record)
        case ToSam():
            return _no_port(ask)


P = TypeVar("P")


def _given(port: P | None, ask: Ask) -> P:
    return port if port is not None else _no_port(ask)
