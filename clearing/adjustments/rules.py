"""A staff's correction between two participants of one book: always a new entry, never a change. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from enum import StrEnum, unique

from clearing.ledger.rules import Purpose, Transfer
from rulebook.money import Amount


@unique
class Reason(StrEnum):
    """Why an adjustment is made (the list is ours; the text beside it says the rest)."""

    WRONG_AMOUNT = "wrong-amount"  # an entry was booked with another amount than was due
    WRONG_PARTICIPANT = "wrong-participant"  # it went to, or came from, somebody else
    MISSING_ENTRY = "missing-entry"  # something due was never booked
    DUPLICATE_ENTRY = "duplicate-entry"  # it was booked twice
    CHARGE_CORRECTED = "charge-corrected"  # a fee or commission was not what the contract says
    CASE_DECIDED = "case-decided"  # a case or dispute ended with it
    REVERSAL = "reversal"  # an earlier adjustment is taken back


REASONS: Mapping[Reason, tuple[str, str]] = {
    Reason.WRONG_AMOUNT: ("金额有误", "wrong amount"),
    Reason.WRONG_PARTICIPANT: ("记错参与方", "wrong participant"),
    Reason.MISSING_ENTRY: ("漏记", "entry missing"),
    Reason.DUPLICATE_ENTRY: ("重复入账", "entered twice"),
    Reason.CHARGE_CORRECTED: ("手续费更正", "charge corrected"),
    Reason.CASE_DECIDED: ("案件裁定", "case decided"),
    Reason.REVERSAL: ("冲回调账", "adjustment taken back"),
}


@unique
class Corrects(StrEnum):
    """The kind of thing an adjustment corrects."""

    CASE = "case"  # a case or dispute, by its id
    WINDOW = "window"  # a closed window, by its number
    ADJUSTMENT = "adjustment"  # an earlier one, by its id: only a REVERSAL


CORRECTED: Mapping[Corrects, tuple[str, str]] = {
    Corrects.CASE: ("案件", "case"),
    Corrects.WINDOW: ("窗口", "window"),
    Corrects.ADJUSTMENT: ("调账", "adjustment"),
}


@unique
class AdjustmentState(StrEnum):
    PROPOSED = "proposed"  # by the first person
    POSTED = "posted"  # a second one approved, and the entry is in the ledger
    REFUSED = "refused"  # a second one did not
    WITHDRAWN = "withdrawn"  # the first one took it back


STATES: Mapping[AdjustmentState, tuple[str, str]] = {
    AdjustmentState.PROPOSED: ("待复核", "to be approved"),
    AdjustmentState.POSTED: ("已入账", "posted"),
    AdjustmentState.REFUSED: ("已驳回", "refused"),
    AdjustmentState.WITHDRAWN: ("已撤回", "withdrawn"),
}


@unique
class AdjustmentEvent(StrEnum):
    APPROVE = "approve"
    REFUSE = "refuse"
    WITHDRAW = "withdraw"


LIFE: Mapping[tuple[AdjustmentState, AdjustmentEvent], AdjustmentState] = {
    (AdjustmentState.PROPOSED, AdjustmentEvent.APPROVE): AdjustmentState.POSTED,
    (AdjustmentState.PROPOSED, AdjustmentEvent.REFUSE): AdjustmentState.REFUSED,
    (AdjustmentState.PROPOSED, AdjustmentEvent.WITHDRAW): AdjustmentState.WITHDRAWN,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Adjustment:
    """``number`` is the proposer's own. ``giver`` and ``receiver`` are participants, ``debit`` and ``credit`` the codes of the
    accounts by which they give and get in ``book``. ``corrected`` names what is corrected, of the kind ``corrects``."""

    number: str
    book: str
    giver: str
    receiver: str
    debit: str
    credit: str
    amount: Amount
    reason: Reason
    text: str
    corrects: Corrects
    corrected: str

    @property
    def id(self) -> str:
        return adjustment_id(self.number)

    def transfer(self, business_day: date) -> Transfer:
        """The entry, under the adjustment's own id."""
        return Transfer(
            id=self.id,
            book=self.book,
            debit=self.debit,
            credit=self.credit,
            amount=self.amount,
            purpose=Purpose.ADJUSTMENT,
            business_day=business_day,
            reference=f"{self.corrects}:{self.corrected}",
        )

    def reversal(self, number: str, text: str) -> Adjustment:
        """A new one that takes this one back whole."""
        return Adjustment(
            number=number,
            book=self.book,
            giver=self.receiver,
            receiver=self.giver,
            debit=self.credit,
            credit=self.debit,
            amount=self.amount,
            reason=Reason.REVERSAL,
            text=text,
            corrects=Corrects.ADJUSTMENT,
            corrected=self.id,
        )


def adjustment_id(number: str) -> str:
    return f"adjustment:{number}"


Fault = dict[str, str]


def form_faults(
    *, giver: str, receiver: str, amount_minor: int, text: str, reason: Reason, corrects: Corrects
) -> list[Fault]:
    """What can be said of a proposal without looking anything up."""
    faults = []
    if giver == receiver:
        faults.append(_fault("receiver", f"is {receiver!r}, who also gives; an adjustment is between two participants"))
    if amount_minor <= 0:
        faults.append(
            _fault("amount_minor", f"is {amount_minor}; give fen above zero and swap the two participants instead")
        )
    if not text.strip():
        faults.append(_fault("text", "is empty; say in a sentence what was wrong"))
    if reason is Reason.REVERSAL or corrects is Corrects.ADJUSTMENT:
        faults.append(_fault("reason", "takes an adjustment back; use the reversal of that adjustment"))
    return faults


def _fault(field: str, message: str) -> Fault:
    return {"field": field, "message": message}
