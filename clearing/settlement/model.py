"""What goes into the result of a window and what comes out of it: values only, in canonical order."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum, unique
from typing import Any

from clearing.intake.rules import Range
from clearing.ledger.chain import Link, canonical
from clearing.ledger.rules import Transfer
from clearing.verification.context import CardId, Context, TransactionId
from clearing.verification.reasons import RemarkKind
from clearing.verification.rules import Decision
from rulebook.record import Record


@unique
class WindowState(StrEnum):
    OPEN = "open"
    PROPOSED = "proposed"  # the first person has frozen the manifest
    CLOSED = "closed"  # a second person has approved it


@dataclass(frozen=True, slots=True)
class Opening:
    """What earlier windows left: the last link of each book's chain and the journal sequences seen of each device."""

    links: Mapping[str, Link] = field(default_factory=dict)
    journals: Mapping[str, tuple[Range, ...]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class WindowInputs:
    """``records`` in any order. ``waiting`` are records of earlier windows that were suspended there.
    ``online``: transfers that loads and medical visits posted since the last window. ``parties``: the books that each
    participant has a position in. ``keepers``: whose the accounts of a book are that name no participant."""

    number: int
    context: Context
    records: tuple[Record, ...]
    online: tuple[Transfer, ...]
    parties: Mapping[str, tuple[str, ...]]
    keepers: Mapping[str, str]
    waiting: tuple[Record, ...] = ()
    opening: Opening = field(default_factory=Opening)


@dataclass(frozen=True, slots=True, order=True)
class Remark:
    """``subject`` is a device, a card or a card transaction; ``participant`` may be empty."""

    kind: RemarkKind
    subject: str
    participant: str = ""
    amount_minor: int = 0
    detail: str = ""


@dataclass(frozen=True, slots=True, order=True)
class Position:
    """Sums over a participant's accounts in one book, fen. Above zero: the participant is owed ``net_minor``."""

    book: str
    participant: str
    debits_minor: int
    credits_minor: int

    @property
    def net_minor(self) -> int:
        return self.credits_minor - self.debits_minor


@dataclass(frozen=True, slots=True)
class DecidedRecord:
    """A decision with what the record said: its event, card transaction and amount."""

    decision: Decision
    transaction: TransactionId
    event: str
    kind: str
    amount_minor: int


@dataclass(frozen=True, slots=True)
class NumberedTransfer:
    transfer: Transfer
    link: Link


@dataclass(frozen=True, slots=True)
class WindowResult:
    """``posted`` are the transfers this result makes; ``transfers`` all of the window, numbered and chained.
    ``settled``, ``held`` (fen on "open taps") and ``next_sequence`` are what the next window must know."""

    number: int
    decided: tuple[DecidedRecord, ...]
    remarks: tuple[Remark, ...]
    posted: tuple[Transfer, ...]
    transfers: tuple[NumberedTransfer, ...]
    positions: tuple[Position, ...]
    settled: Mapping[TransactionId, bytes]
    held: Mapping[TransactionId, int]
    next_sequence: Mapping[CardId, int]

    def encode(self) -> bytes:
        """Canonical JSON in UTF-8: equal results are equal bytes."""
        return json.dumps(self._plain(), sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()

    @property
    def digest(self) -> bytes:
        """SHA-256 of ``encode()``."""
        return hashlib.sha256(self.encode()).digest()

    def _plain(self) -> dict[str, Any]:
        return {
            "window": self.number,
            "decided": [_plain_decision(decided) for decided in self.decided],
            "remarks": [[r.kind, r.subject, r.participant, r.amount_minor, r.detail] for r in self.remarks],
            "transfers": [
                [numbered.link.number, numbered.link.hash.hex(), json.loads(canonical(numbered.transfer))]
                for numbered in self.transfers
            ],
            "positions": [[p.book, p.participant, p.debits_minor, p.credits_minor] for p in self.positions],
            "settled": {str(id_): fingerprint.hex() for id_, fingerprint in self.settled.items()},
            "held": {str(id_): minor for id_, minor in self.held.items()},
            "next_sequence": {
                f"{issuer.hex()}:{serial.hex()}": sequence for (issuer, serial), sequence in self.next_sequence.items()
            },
        }


def _plain_decision(decided: DecidedRecord) -> list[Any]:
    decision = decided.decision
    return [
        *decision.record,
        decision.status,
        decision.reason,
        decision.operator,
        str(decided.transaction),
        decided.event,
        decided.kind,
        decided.amount_minor,
    ]
