"""What the desk says to 3201 and 3202, out of its own store."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

from rulebook.calendar import BUSINESS_ZONE
from rulebook.messages.medical import (
    DetailData,
    DetailInput,
    Infno,
    InsuranceType,
    MedicalType,
    ReconciliationRow,
    Request,
    SettlementInfo,
    TotalsData,
    TotalsInput,
)
from rulebook.money import ZERO, Amount
from terminals.hospital.forms import Forms
from terminals.hospital.store import Entry


@dataclass(frozen=True, slots=True)
class SettledRow:
    """A row with the group it belongs to, and the cash that no row of the national file shows."""

    row: ReconciliationRow
    insurance: InsuranceType
    care: MedicalType
    cash: Amount


def settled_rows(entries: Iterable[Entry], day: date) -> list[SettledRow]:
    """Answered settlements (positive) and cancellations (negative) of ``day``, by their own times."""
    answered = (entry.answer.output.setlinfo for entry in entries if entry.answer is not None)
    return [_row(info) for info in answered if info.setl_time.astimezone(BUSINESS_ZONE).date() == day]


def _row(info: SettlementInfo) -> SettledRow:
    row = ReconciliationRow(
        setl_id=info.setl_id,
        mdtrt_id=info.mdtrt_id,
        psn_no=info.psn_no,
        medfee_sumamt=info.medfee_sumamt,
        fund_pay_sumamt=info.fund_pay_sumamt,
        acct_pay=info.acct_pay,
        refd_setl_flag="1" if info.medfee_sumamt < ZERO else "0",
    )
    return SettledRow(row, info.insutype, info.clr_type, info.psn_cash_pay)


def rows_of(settled: Iterable[SettledRow]) -> list[ReconciliationRow]:
    return [each.row for each in settled]


def totals_requests(settled: Sequence[SettledRow], day: date, forms: Forms) -> list[Request[Any]]:
    """One 3201 for each group, also for those the desk knows nothing of: the fund may."""
    return [
        forms.request(Infno.TOTAL_RECONCILIATION, TotalsInput(data=_totals(settled, insurance, care, day, forms)))
        for insurance in InsuranceType
        for care in MedicalType
    ]


def _totals(
    settled: Sequence[SettledRow], insurance: InsuranceType, care: MedicalType, day: date, forms: Forms
) -> TotalsData:
    rows = [each.row for each in settled if (each.insurance, each.care) == (insurance, care)]
    return TotalsData(
        insutype=insurance,
        clr_type=care,
        setl_optins=forms.setup.region,
        stmt_begndate=day,
        stmt_enddate=day,
        medfee_sumamt=_sum(row.medfee_sumamt for row in rows),
        fund_pay_sumamt=_sum(row.fund_pay_sumamt for row in rows),
        acct_pay=_sum(row.acct_pay for row in rows),
        fixmedins_setl_cnt=_count(rows),
    )


def detail_request(rows: list[ReconciliationRow], day: date, forms: Forms) -> Request[DetailInput]:
    """3202 with every row of the day."""
    data = DetailData(
        setl_optins=forms.setup.region,
        file_qury_no=f"{forms.setup.institution}-{day:%Y%m%d}",
        stmt_begndate=day,
        stmt_enddate=day,
        medfee_sumamt=_sum(row.medfee_sumamt for row in rows),
        fund_pay_sumamt=_sum(row.fund_pay_sumamt for row in rows),
        cash_payamt=_sum(row.medfee_sumamt - row.fund_pay_sumamt - row.acct_pay for row in rows),
        fixmedins_setl_cnt=_count(rows),
    )
    return forms.request(Infno.DETAIL_RECONCILIATION, DetailInput(data=data, rows=rows))


def _sum(amounts: Iterable[Amount]) -> Amount:
    return sum(amounts, start=ZERO)


def _count(rows: Iterable[ReconciliationRow]) -> int:
    return sum(-1 if row.refd_setl_flag == "1" else 1 for row in rows)
