"""Intents, outcomes and findings of one card transaction, brought together whatever order they came in."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np

from clearing.verification.context import Settled, TransactionId
from rulebook.record import Kind, Outcome, Record
from rulebook.record.columns import columns_of

RecordId: TypeAlias = tuple[str, int]  # device, journal sequence


def record_id(record: Record) -> RecordId:
    return (record.device, record.journal_sequence)


@dataclass(frozen=True, slots=True)
class Claim:
    """A terminal says the card executed this. ``inputs`` is the row whose fields the TAC covers, ``evidence`` the row
    that brought the TAC: the same outcome, or a finding for an intent."""

    inputs: Record
    evidence: Record

    def __hash__(self) -> int:
        return hash(self.order)  # not of every field of two records: claims are looked up often

    @property
    def order(self) -> tuple[RecordId, RecordId]:
        return (record_id(self.evidence), record_id(self.inputs))

    @property
    def fingerprint(self) -> bytes:
        """Equal for equal content: everything but who wrote it down and where in the journal."""
        neutral = columns_of(bytearray(self.inputs.encode()))
        neutral["kind"], neutral["outcome"] = Kind.OUTCOME, Outcome.DONE
        neutral["journal_sequence"] = neutral["refers_to"] = 0
        neutral["tac"] = np.void(self.evidence.tac)
        neutral["mac2_verdict"] = 0  # the PSAM's word is not the card's content
        return hashlib.sha256(neutral.tobytes()).digest()

    @property
    def settled(self) -> Settled:
        """What is remembered of it once it has moved money."""
        return Settled(self.fingerprint, self.evidence.kind)


@dataclass(frozen=True, slots=True)
class Transaction:
    """Every record that names one card transaction, each in order of (device, journal sequence)."""

    id: TransactionId
    intents: tuple[Record, ...]
    outcomes: tuple[Record, ...]
    findings: tuple[Record, ...]

    @property
    def records(self) -> tuple[Record, ...]:
        return (*self.intents, *self.outcomes, *self.findings)

    def intent_of(self, outcome: Record) -> Record | None:
        wanted = (outcome.device, outcome.refers_to)
        return next((intent for intent in self.intents if record_id(intent) == wanted), None)

    def claims(self) -> tuple[Claim, ...]:
        """What may have moved money. A finding is tried with every intent: its TAC says which of them it proves."""
        done = [Claim(outcome, outcome) for outcome in self.outcomes if outcome.outcome is Outcome.DONE]
        found = [
            Claim(intent, finding)
            for finding in self.findings
            if finding.outcome is not Outcome.VOID
            for intent in self.intents
        ]
        return tuple(done + found)


def join(records: Iterable[Record]) -> tuple[Transaction, ...]:
    """Transactions in order of their ids. Records with one id must be equal; they count once."""
    by_transaction: dict[TransactionId, list[Record]] = {}
    for _, record in sorted({record_id(record): record for record in records}.items()):
        by_transaction.setdefault(TransactionId.of(record), []).append(record)
    return tuple(_transaction(id_, rows) for id_, rows in sorted(by_transaction.items()))


def _transaction(id_: TransactionId, rows: list[Record]) -> Transaction:
    def of(kind: Kind) -> tuple[Record, ...]:
        return tuple(row for row in rows if row.kind is kind)

    return Transaction(id_, of(Kind.INTENT), of(Kind.OUTCOME), of(Kind.FINDING))
