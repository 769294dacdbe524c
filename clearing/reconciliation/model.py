"""What a bank says about an account: statements with balances, advices without, and their entries. Values only."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass
from datetime import date
from enum import StrEnum, unique

from rulebook.money import Amount


@unique
class MessageKind(StrEnum):
    STATEMENT = "statement"  # camt.053: every entry of a day, between two balances
    ADVICE = "advice"  # camt.054: single entries, as they come


@dataclass(frozen=True, slots=True, kw_only=True)
class Detail:
    """One transaction within an entry. ``amount`` above zero; None where the bank gives it for the whole entry only."""

    end_to_end_id: str
    amount_minor: int | None
    account: str  # of the other side
    name: str
    remittance: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """``reference`` is the bank's and names the entry on its account for ever. ``amount_minor``: above zero came in, below
    went out. ``batch``: the payment file or block that the bank booked in one sum; empty where it says none."""

    reference: str
    amount_minor: int
    booked_on: date
    batch: str
    details: tuple[Detail, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class BankReport:
    """``id`` is the bank's. Balances are None in an advice; below zero the account is overdrawn."""

    kind: MessageKind
    id: str
    account: str
    closed_on: date | None
    opening_minor: int | None
    closing_minor: int | None
    entries: tuple[Entry, ...]

    @property
    def moved(self) -> Amount:
        return Amount(sum(entry.amount_minor for entry in self.entries))

    def digest(self) -> bytes:
        """SHA-256 over everything said: a repeat in another envelope has the same one."""
        canonical = json.dumps(asdict(self), sort_keys=True, separators=(",", ":"), ensure_ascii=False, default=str)
        return hashlib.sha256(canonical.encode()).digest()
