"""The city's readers: each terminal its own in process, or two pairs of real PC/SC readers shared in turn."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from enum import StrEnum, unique
from typing import Protocol

from card_os.wire.dialogue import CardGone
from hardware.readers.connection import Connection
from hardware.readers.pcsc import PcscConnection
from simulator.softcard.daemon import VirtualSlot, private_readers
from simulator.softcard.vpcd import VirtualReader

PAIRS = 2
_INSERTION_LIMIT_S = 5.0
_DEBIT, _SELECT = b"\x80\x54", b"\x00\xa4"
_DONE = b"\x90\x00"


@unique
class ReaderKind(StrEnum):
    PCSC = "pcsc"
    IN_PROCESS = "in-process"


class Readers(Protocol):
    """``terminal`` numbers the city's terminals; the counter is one of them."""

    def field(self, terminal: int, card: Connection, /) -> Connection:
        """``card`` comes into the reader of ``terminal``, powered up."""

    def sam_slot(self, terminal: int, sam: Connection, /) -> Connection:
        """The slot of ``terminal`` with ``sam`` in it for good."""


class InProcess:
    """Every terminal talks to the software card itself."""

    def field(self, _: int, card: Connection, /) -> Connection:
        card.reset()
        return card

    def sam_slot(self, _: int, sam: Connection, /) -> Connection:
        return sam


class _Slot:
    """One virtual reader and the PC/SC connection to whatever lies in it."""

    def __init__(self, slot: VirtualSlot) -> None:
        self._reader = VirtualReader(slot.port)
        self._name = slot.reader
        self._line: PcscConnection | None = None
        self._lying: Connection | None = None

    def put(self, card: Connection) -> PcscConnection:
        """``card`` into the reader, powered up."""
        self._reader.present(card)
        self._lying = card
        if self._line is None:
            self._line = PcscConnection(self._name, wait_s=_INSERTION_LIMIT_S)
        else:
            self._line.reset()
        return self._line

    def line_to(self, card: Connection) -> PcscConnection | None:
        """The connection, if ``card`` is what lies in the reader."""
        return self._line if self._lying is card else None

    def close(self) -> None:
        if self._line is not None:
            self._line.close()
        self._reader.remove()


class _SharedSam:
    """A SAM that shares its reader with other terminals' SAMs. Each turn begins with a power-up, so what was selected
    since the terminal's own last reset is selected again first."""

    def __init__(self, slot: _Slot, sam: Connection) -> None:
        self._slot = slot
        self._sam = sam
        self._selected: list[bytes] = []

    @property
    def atr(self) -> bytes:
        return self._sam.atr

    def reset(self) -> bytes:
        self._selected.clear()
        return self._slot.put(self._sam).atr

    def transmit(self, command: bytes) -> bytes:
        answer = self._line().transmit(command)
        if command.startswith(_SELECT) and answer.endswith(_DONE):
            self._selected.append(command)
        return answer

    def _line(self) -> PcscConnection:
        line = self._slot.line_to(self._sam)
        if line is None:
            line = self._slot.put(self._sam)
            for command in self._selected:
                line.transmit(command)
        return line


class OverPcsc:
    """Pairs of readers under a real pcscd, given to the terminals in turn."""

    def __init__(self, pairs: list[tuple[_Slot, _Slot]]) -> None:
        self._pairs = pairs

    def field(self, terminal: int, card: Connection, /) -> Connection:
        return self._pairs[terminal % len(self._pairs)][0].put(card)

    def sam_slot(self, terminal: int, sam: Connection, /) -> Connection:
        return _SharedSam(self._pairs[terminal % len(self._pairs)][1], sam)


@contextmanager
def readers(kind: ReaderKind) -> Iterator[Readers]:
    """The city's readers until the end of the block. Raises ``simulator.softcard.daemon.DaemonUnavailable``."""
    if kind is ReaderKind.IN_PROCESS:
        yield InProcess()
        return
    with ExitStack() as stack:
        virtual = stack.enter_context(private_readers(PAIRS))
        pairs = [(_Slot(pair.card), _Slot(pair.sam)) for pair in virtual.pairs]
        for pair in pairs:
            for slot in pair:
                stack.callback(slot.close)
        yield OverPcsc(pairs)


class Pulled:
    """A card that leaves the field over DEBIT, before or after the card executed it; nobody hears the answer."""

    def __init__(self, card: Connection, *, executed: bool) -> None:
        self._card = card
        self._executed = executed
        self._gone = False

    @property
    def atr(self) -> bytes:
        return self._card.atr

    def reset(self) -> bytes:
        if self._gone:
            raise CardGone("the card has left the field")
        return self._card.reset()

    def transmit(self, command: bytes) -> bytes:
        if command.startswith(_DEBIT) and not self._gone:
            self._gone = True
            if self._executed:
                self._card.transmit(command)
        if self._gone:
            raise CardGone("the card has left the field")
        return self._card.transmit(command)
