"""A conversation as a generator that says what it wants and receives the answer.

``Dialogue[T]`` yields an ``Ask`` and is sent the answer of the port it names, until it returns ``T``. It does no input
or output itself: ``hardware.readers.drive`` answers from real ports, a test from a list. A port that fails raises into
the generator at its ``yield``, so a test can break a dialogue at each of its steps. Dialogues compose with ``yield from``.
"""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import dataclass
from typing import Any, TypeAlias, TypeVar

from card_os.wire.apdu import CommandApdu, ResponseApdu
from card_os.wire.status import StatusWord

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class ToCard:
    """Answered with a ``ResponseApdu``; 61xx and 6Cxx are already resolved by the port."""

    command: CommandApdu


@dataclass(frozen=True, slots=True)
class ToSam:
    """Answered with a ``ResponseApdu`` of the terminal's SAM."""

    command: CommandApdu


@dataclass(frozen=True, slots=True)
class ToVault:
    """An operation of ``hardware.vault``; answered with that operation's result."""

    operation: Any


@dataclass(frozen=True, slots=True)
class ToHost:
    """A message of ``rulebook.messages`` to the terminal's service; answered with the message's answer."""

    message: Any


@dataclass(frozen=True, slots=True)
class Persist:
    """A record that must be durable before the dialogue goes on; answered with the journal sequence it got."""

    record: Any


Ask: TypeAlias = ToCard | ToSam | ToVault | ToHost | Persist
Dialogue: TypeAlias = Generator[Ask, Any, T]


class PortFailed(Exception):
    """A port could not answer. Raised into the dialogue at its ``yield``."""


class CardGone(PortFailed):
    """The card left the field or was pulled; whether the last command was executed is unknown."""


class SamRefused(PortFailed):
    """The SAM does not answer."""


class HostSilent(PortFailed):
    """The host did not answer in time; whether it acted is unknown."""


class UnexpectedStatus(Exception):
    """A card or SAM answered with a status word the dialogue cannot go on from."""

    def __init__(self, command: CommandApdu, sw: StatusWord) -> None:
        # Only the header is shown: a data field may hold a PIN or a key.
        super().__init__(f"{command.header.hex().upper()} answered {sw}: {sw.meaning}")
        self.command = command
        self.sw = sw


def ask_card(command: CommandApdu, *expected: int) -> Dialogue[ResponseApdu]:
    """Send ``command`` to the card; any status outside ``expected`` (9000 by default) raises ``UnexpectedStatus``."""
    return _checked(command, (yield ToCard(command)), expected)


def ask_sam(command: CommandApdu, *expected: int) -> Dialogue[ResponseApdu]:
    """The same for the terminal's SAM."""
    return _checked(command, (yield ToSam(command)), expected)


def _checked(command: CommandApdu, response: ResponseApdu, expected: tuple[int, ...]) -> ResponseApdu:
    if response.sw.value not in (expected or (0x9000,)):
        raise UnexpectedStatus(command, response.sw)
    return response
