"""A window's life and its result: values only, in canonical order."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum, unique

from clearing.day.parquet import Written
from clearing.ledger.chain import Link
from clearing.ledger.rules import Transfer
from clearing.participants.charging import Running
from clearing.verification.context import TransactionId
from clearing.verification.reasons import RemarkKind, Status
from clearing.verification.rules import Decision


@unique
class WindowState(StrEnum):
    OPEN = "open"
    FROZEN = "frozen"  # the first person has frozen the manifest; the result is being computed
    PROPOSED = "proposed"  # the result is there
    WITHDRAWN = "withdrawn"  # takes no more batches, and is to be proposed anew
    CLOSED = "closed"  # a second person has approved it


@unique
class WindowEvent(StrEnum):
    FREEZE = "freeze"
    PROPOSE = "propose"
    WITHDRAW = "withdraw"
    APPROVE = "approve"


LIFE: Mapping[tuple[WindowState, WindowEvent], WindowState] = {
    (WindowState.OPEN, WindowEvent.FREEZE): WindowState.FROZEN,
    (WindowState.WITHDRAWN, WindowEvent.FREEZE): WindowState.FROZEN,
    (WindowState.FROZEN, WindowEvent.PROPOSE): WindowState.PROPOSED,
    (WindowState.FROZEN, WindowEvent.WITHDRAW): WindowState.WITHDRAWN,
    (WindowState.PROPOSED, WindowEvent.WITHDRAW): WindowState.WITHDRAWN,
    (WindowState.PROPOSED, WindowEvent.APPROVE): WindowState.CLOSED,
}


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
    """Sums over a participant's accounts in one book, fen; balances and sums above zero are owed to the participant.

    ``opening_minor`` is what the window before left. ``paid_minor`` went in or out as money (prefunding, contributions,
    settlement payments), ``prepaid_minor`` moved out of or into prepaid balances (an agent's loads). Both change the
    balance and leave nothing to settle. ``debits_minor`` and ``credits_minor`` are the window's business to settle."""

    book: str
    participant: str
    opening_minor: int = 0
    paid_minor: int = 0
    prepaid_minor: int = 0
    debits_minor: int = 0
    credits_minor: int = 0

    @property
    def net_minor(self) -> int:
        """What is to be settled of this window: above zero the participant gets it."""
        return self.credits_minor - self.debits_minor

    @property
    def closing_minor(self) -> int:
        return self.opening_minor + self.paid_minor + self.prepaid_minor + self.net_minor


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
    """``counts``: records by how they ended. ``posted`` are the transfers this result makes; ``transfers`` all of the window,
    numbered and chained. ``held``: all fen on "open taps". ``cleared`` are the window's files of records, ``counters`` those
    of cards' counters in force after it. ``running``: what contracts carry to the next window."""

    number: int
    counts: Mapping[Status, int]
    exceptions: tuple[DecidedRecord, ...]
    remarks: tuple[Remark, ...]
    posted: tuple[Transfer, ...]
    transfers: tuple[NumberedTransfer, ...]
    positions: tuple[Position, ...]
    held: Mapping[TransactionId, int]
    cleared: tuple[Written, ...]
    counters: tuple[Written, ...]
    running: Running
