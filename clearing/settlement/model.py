"""What goes into the result of a window and what comes out of it: values only, in canonical order."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum, unique

from clearing.intake.rules import Range
from clearing.ledger.chain import Link
from clearing.ledger.rules import Transfer
from clearing.verification.context import Context, CounterId, Settled, TransactionId
from clearing.verification.reasons import RemarkKind
from clearing.verification.rules import Decision
from rulebook.record import Record


@unique
class WindowState(StrEnum):
    OPEN = "open"
    PROPOSED = "proposed"  # the first person has frozen the manifest
    WITHDRAWN = "withdrawn"  # takes no more batches, and is to be proposed anew
    CLOSED = "closed"  # a second person has approved it


@unique
class WindowEvent(StrEnum):
    PROPOSE = "propose"
    WITHDRAW = "withdraw"
    APPROVE = "approve"


_LIFE: dict[tuple[WindowState, WindowEvent], WindowState] = {
    (WindowState.OPEN, WindowEvent.PROPOSE): WindowState.PROPOSED,
    (WindowState.WITHDRAWN, WindowEvent.PROPOSE): WindowState.PROPOSED,
    (WindowState.PROPOSED, WindowEvent.WITHDRAW): WindowState.WITHDRAWN,
    (WindowState.PROPOSED, WindowEvent.APPROVE): WindowState.CLOSED,
}


class ImpossibleEvent(Exception):
    """The window's state does not allow it; nothing was changed."""


def next_state(state: WindowState, event: WindowEvent) -> WindowState:
    """Raises ``ImpossibleEvent`` for a pair that is not in the table."""
    try:
        return _LIFE[state, event]
    except KeyError:
        allowed = ", ".join(sorted(known for known, wanted in _LIFE if wanted is event))
        raise ImpossibleEvent(f"a window that is {state} cannot be {_DONE[event]}; it must be {allowed}") from None


_DONE = {WindowEvent.PROPOSE: "proposed", WindowEvent.WITHDRAW: "withdrawn", WindowEvent.APPROVE: "approved"}


@dataclass(frozen=True, slots=True)
class Opening:
    """What earlier windows left: the last link of each book's chain, the journal sequences seen of each device, and the
    closing balance of each (book, participant)."""

    links: Mapping[str, Link] = field(default_factory=dict)
    journals: Mapping[str, tuple[Range, ...]] = field(default_factory=dict)
    balances: Mapping[tuple[str, str], int] = field(default_factory=dict)


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
    """``posted`` are the transfers this result makes; ``transfers`` all of the window, numbered and chained.
    ``settled``, ``held`` (fen on "open taps") and ``next_sequence`` are what the next window must know."""

    number: int
    decided: tuple[DecidedRecord, ...]
    remarks: tuple[Remark, ...]
    posted: tuple[Transfer, ...]
    transfers: tuple[NumberedTransfer, ...]
    positions: tuple[Position, ...]
    settled: Mapping[TransactionId, Settled]
    held: Mapping[TransactionId, int]
    next_sequence: Mapping[CounterId, int]
