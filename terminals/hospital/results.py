"""What a hospital desk is given and what it gives back."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum, unique
from fractions import Fraction

from rulebook.messages.medical import FeeResult, ItemClass, ReconciliationResultRow, SettlementOutput
from rulebook.messages.problems import Problem
from rulebook.money import ZERO, Amount, Rounding
from terminals.dialogues.read_identity import SamVerdict

_COUNT_PLACES = 4  # cnt is numeric 16,4 in 2204


@dataclass(frozen=True, slots=True, kw_only=True)
class FeeItem:
    """One thing the hospital did or handed out. ``count`` above nil with at most 4 decimal places, ``price`` not negative;
    ``first_self_pay`` is the item's own rate for class B, where it has one."""

    code: str
    name: str
    price: Amount
    count: Decimal
    item_class: ItemClass
    first_self_pay: Fraction | None = None

    def __post_init__(self) -> None:
        if self.price < ZERO:
            raise ValueError(f"{self.code}: price is {self.price}; it must not be negative")
        if not self.count.is_finite() or self.count <= 0 or self.count != round(self.count, _COUNT_PLACES):
            raise ValueError(f"{self.code}: count is {self.count}; above nil, at most {_COUNT_PLACES} decimal places")

    @property
    def total(self) -> Amount:
        """Price × count, rounded half up to the fen."""
        return self.price.share(Fraction(self.count), Rounding.HALF_UP)


@unique
class VisitOutcome(StrEnum):
    """How a visit ended; only SETTLED moved money, and only UNKNOWN needs ``HospitalDesk.repair``."""

    SETTLED = "settled"
    DECLINED = "declined"  # the patient did not agree to the quote
    REFUSED = "refused"  # the fund said no; ``refusal`` says why
    CARD_FAILED = "card-failed"  # gone, unreadable, or no social-security card
    HOST_SILENT = "host-silent"  # before anything could have been settled
    REVERSED = "reversed"  # the settlement got no answer and was taken back; it may be tried again
    UNKNOWN = "unknown"  # neither settlement nor reversal got an answer; ``repair`` goes on asking


@dataclass(frozen=True, slots=True, kw_only=True)
class Receipt:
    """``holder`` is masked. ``lines`` and ``items`` are in the same order."""

    institution: str
    holder: str
    items: tuple[FeeItem, ...]
    lines: tuple[FeeResult, ...]
    settlement: SettlementOutput


@dataclass(frozen=True, slots=True, kw_only=True)
class VisitResult:
    """``visit`` is the hospital's own number; ``step`` the interface at which it ended."""

    visit: str
    outcome: VisitOutcome
    step: str
    sam_verdict: SamVerdict = SamVerdict.NOT_CHECKED
    receipt: Receipt | None = None
    refusal: Problem | None = None
    detail: str = ""


@unique
class RepairOutcome(StrEnum):
    """What became of a message that had no answer."""

    REVERSED = "reversed"  # the settlement is taken back
    SETTLED = "settled"  # a later settlement stands on it: it is valid, and its answer has come
    CANCELLED = "cancelled"
    REFUSED = "refused"  # a case: the fund says no to both
    SILENT = "silent"


@dataclass(frozen=True, slots=True, kw_only=True)
class Repaired:
    """``msgid`` is the settlement or cancellation that had no answer."""

    msgid: str
    visit: str
    outcome: RepairOutcome
    refusal: Problem | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class CancelResult:
    """``settlement`` has the amounts taken back, negative; None where the fund refused or was silent."""

    settlement: SettlementOutput | None
    refusal: Problem | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Reconciled:
    """``totals`` has the fund's sentence for each group that differs, ``rows`` each settlement that does."""

    totals: tuple[str, ...]
    rows: tuple[ReconciliationResultRow, ...]

    @property
    def balanced(self) -> bool:
        return not self.totals and not self.rows
