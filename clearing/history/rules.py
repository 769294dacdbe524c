"""What became of a card's money, from its cleared records. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, datetime

from clearing.verification.context import TransactionId
from clearing.verification.reasons import Reason
from rulebook.record import Event, Kind, Outcome


@dataclass(frozen=True, slots=True)
class ClearedRecord:
    """A record and how it ended. ``records`` is 2 where it stands for its intent too. ``at``: by the terminal's clock in the
    business time zone; None where the record has no time. Amounts are fen; ``operator`` is empty for a device that was never
    enrolled. ``settled``: it moved the amount, ``transfer`` paid the operator; ``held``: its amount went to "open taps"."""

    transaction: TransactionId
    device: str
    sequence: int
    records: int
    kind: Kind
    event: Event
    outcome: Outcome
    amount_minor: int
    balance_before_minor: int
    at: datetime | None
    business_day: date
    line: str
    operator: str
    reason: Reason
    settled: bool
    held: bool
    transfer: str

    def when(self) -> tuple[date, str, TransactionId, str, int]:
        """To sort by."""
        clock = self.at.isoformat() if self.at else ""
        return self.business_day, clock, self.transaction, self.device, self.sequence


def newest_of_each(records: Iterable[ClearedRecord]) -> list[ClearedRecord]:
    """Of a record that several windows ended, the last one's end."""
    return list({(record.device, record.sequence): record for record in records}.values())


def transactions(records: Iterable[ClearedRecord]) -> list[ClearedRecord]:
    """One record for each card transaction, in the order given: the one that moved its money, or holds it, or says most."""
    found: dict[TransactionId, ClearedRecord] = {}
    for record in records:
        known = found.get(record.transaction)
        if known is None or _weight(record) > _weight(known):
            found[record.transaction] = record
    return list(found.values())


def _weight(record: ClearedRecord) -> tuple[bool, bool, bool]:
    return record.settled, record.held, record.kind is not Kind.INTENT


def spent_minor(records: Iterable[ClearedRecord]) -> int:
    """Fen that left the card in these."""
    return sum(record.amount_minor for record in records if record.settled and not record.transaction.load)


def loaded_minor(records: Iterable[ClearedRecord]) -> int:
    """Fen that came onto it."""
    return sum(record.amount_minor for record in records if record.settled and record.transaction.load)
