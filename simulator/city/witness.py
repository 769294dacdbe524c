"""Somebody who sees what a card really did, also when no terminal heard the answer: the auditor's own knowledge."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from enum import StrEnum, unique
from typing import Protocol

_PURSE_CLASS = 0x80
_DONE = b"\x90\x00"


class CardInField(Protocol):
    """A software card as a reader sees it."""

    @property
    def atr(self) -> bytes: ...
    def transmit(self, command: bytes) -> bytes: ...
    def reset(self) -> bytes: ...


@unique
class Movement(StrEnum):
    LOAD = "load"
    DEBIT = "debit"


@dataclass(frozen=True, slots=True)
class Moved:
    """The purse moved by ``amount_minor`` fen (0 at a metro entry). ``sequence`` is the on-line one of a load, the
    off-line one of a debit, as INITIALIZE answered it."""

    movement: Movement
    sequence: int
    amount_minor: int


@dataclass(slots=True)
class Witness:
    """Stands between card and field, passes everything on, and remembers what was executed."""

    card: CardInField
    apdus: int = 0
    moved: list[Moved] = field(default_factory=list)
    _begun: Moved | None = None

    @property
    def atr(self) -> bytes:
        return self.card.atr

    def reset(self) -> bytes:
        self._begun = None
        return self.card.reset()

    def transmit(self, command: bytes) -> bytes:
        answer = self.card.transmit(command)
        self.apdus += 1
        if command[0] == _PURSE_CLASS and answer.endswith(_DONE):
            self._observe(command, answer)
        return answer

    @property
    def balance_minor(self) -> int:
        """What must be on the purse by everything seen."""
        return sum(m.amount_minor if m.movement is Movement.LOAD else -m.amount_minor for m in self.moved)

    def _observe(self, command: bytes, answer: bytes) -> None:
        match command[1]:
            case 0x50:
                movement = Movement.LOAD if command[2] == 0 else Movement.DEBIT
                # INITIALIZE: key id 1, amount 4 in; balance 4, sequence 2 out (standards.md §1.2).
                sequence, amount = int.from_bytes(answer[4:6], "big"), int.from_bytes(command[6:10], "big")
                self._begun = Moved(movement, sequence, amount)
            case 0x52 | 0x54 if self._begun is not None:
                self.moved.append(self._begun)
                self._begun = None


def apdus_seen(witnesses: Iterator[Witness]) -> int:
    return sum(witness.apdus for witness in witnesses)
