"""Words and rows of the pages on contracts."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date

from clearing.ledger.rules import Purpose, Transfer
from clearing.participants.contracts import Basis, Period
from clearing.participants.documents import DocumentState
from clearing.participants.trace import Trace

STATES = {
    DocumentState.PROPOSED: ("待复核", "to be approved", "wait"),
    DocumentState.WITHDRAWN: ("已撤回", "withdrawn", ""),
    DocumentState.APPROVED: ("已生效", "in force", "good"),
}
BASES = {
    Basis.FARES: ("票款", "fares"),
    Basis.LOADS: ("充值", "loads"),
    Basis.REFUNDS: ("代退", "refunds paid out"),
    Basis.BILLS: ("代收账单", "bills collected"),
    Basis.SETTLEMENT: ("每次清算", "each window"),
}
PERIODS = {Period.WINDOW: ("每窗口", "a window"), Period.MONTH: ("每月", "a month")}
_BY_AGREEMENT = frozenset({Purpose.FEE, Purpose.RETENTION, Purpose.APPORTIONMENT})


@dataclass(frozen=True, slots=True)
class ChargeLine:
    """``trace`` is None for a hold and for parts of shared rides; their ``reference`` says it in a line."""

    id: str
    purpose: Purpose
    business_day: date
    payer: str
    payee: str
    amount_minor: int
    reference: str
    trace: Trace | None


def charge_lines(transfers: Iterable[Transfer]) -> list[ChargeLine]:
    """In the order of ``transfers``."""
    return [
        ChargeLine(
            id=transfer.id,
            purpose=transfer.purpose,
            business_day=transfer.business_day,
            payer=transfer.debit,
            payee=transfer.credit,
            amount_minor=transfer.amount.minor,
            reference=transfer.reference,
            trace=Trace.parse(transfer.reference) if transfer.purpose is Purpose.FEE else None,
        )
        for transfer in transfers
        if transfer.purpose in _BY_AGREEMENT
    ]
