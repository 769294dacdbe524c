"""What the fund counts for a hospital, and what it says when the hospital counts otherwise."""

from __future__ import annotations

from datetime import date, timedelta
from typing import Any

import pytest
from sqlalchemy import select

from clearing.benefits.office import MedicalRefused
from clearing.ledger.tables import TransferRow
from rulebook.messages.medical import (
    Answer,
    DetailData,
    DetailInput,
    Infno,
    InsuranceType,
    ItemClass,
    MedicalRefusal,
    MedicalType,
    ReconciliationRow,
    StatementResult,
    TotalsData,
    TotalsInput,
)
from rulebook.money import yuan

DAY = date(2026, 9, 15)
LINES = [("3000", ItemClass.A)]


async def settled(counter: Any, visit: str = "V1") -> Any:
    person = await counter.present()
    return (await counter.send(await counter.visit(person, LINES, visit=visit))).output.setlinfo


async def totals(counter: Any, *, day: date = DAY, **changes: Any) -> Answer[Any]:
    fields: dict[str, Any] = {
        "insutype": InsuranceType.EMPLOYEE,
        "clr_type": MedicalType.OUTPATIENT,
        "setl_optins": "110000",
        "stmt_begndate": day,
        "stmt_enddate": day,
        "medfee_sumamt": yuan("0"),
        "fund_pay_sumamt": yuan("0"),
        "acct_pay": yuan("0"),
        "fixmedins_setl_cnt": 0,
    }
    content = TotalsInput(data=TotalsData(**{**fields, **changes}))
    answer = await counter.send(counter.request(Infno.TOTAL_RECONCILIATION, content))
    return answer.output.stmtinfo


def row(info: Any, **changes: Any) -> ReconciliationRow:
    fields = {name: getattr(info, name, "0") for name in ReconciliationRow.model_fields}
    return ReconciliationRow(**{**fields, **changes})


async def detail(counter: Any, rows: list[ReconciliationRow], **changes: Any) -> Any:
    total = sum((each.medfee_sumamt for each in rows), start=yuan("0"))
    fund = sum((each.fund_pay_sumamt for each in rows), start=yuan("0"))
    account = sum((each.acct_pay for each in rows), start=yuan("0"))
    fields: dict[str, Any] = {
        "setl_optins": "110000",
        "file_qury_no": "F1",
        "stmt_begndate": DAY,
        "stmt_enddate": DAY,
        "medfee_sumamt": total,
        "fund_pay_sumamt": fund,
        "cash_payamt": total - fund - account,
        "fixmedins_setl_cnt": len(rows),
    }
    content = DetailInput(data=DetailData(**{**fields, **changes}), rows=rows)
    return (await counter.send(counter.request(Infno.DETAIL_RECONCILIATION, content))).output


async def test_equal_totals_balance(counter: Any) -> None:
    info = await settled(counter)
    amounts = {name: getattr(info, name) for name in ("medfee_sumamt", "fund_pay_sumamt", "acct_pay")}
    answer = await totals(counter, fixmedins_setl_cnt=1, **amounts)
    assert (answer.stmt_rslt, answer.stmt_rslt_dscr) == (StatementResult.BALANCED, "")


async def test_every_differing_figure_is_said(counter: Any) -> None:
    await settled(counter)
    answer = await totals(counter, medfee_sumamt=yuan("3000"), fund_pay_sumamt=yuan("840.01"), acct_pay=yuan("300"))
    assert answer.stmt_rslt is StatementResult.DIFFERENT
    assert (
        answer.stmt_rslt_dscr == "fund_pay_sumamt: hospital 840.01, fund 840.00; fixmedins_setl_cnt: hospital 0, fund 1"
    )


@pytest.mark.parametrize(
    "group",
    [{"insutype": InsuranceType.RESIDENT}, {"clr_type": MedicalType.INPATIENT}, {"day": DAY + timedelta(days=1)}],
    ids=["insurance", "care", "day"],
)
async def test_a_settlement_counts_in_its_own_group_only(counter: Any, group: dict[str, Any]) -> None:
    await settled(counter)
    assert (await totals(counter, **group)).stmt_rslt is StatementResult.BALANCED


async def test_a_cancellation_takes_off_on_its_own_day(counter: Any) -> None:
    info = await settled(counter)
    cancel = counter.cancel_request(info.psn_no, info.setl_id)
    await counter.send(cancel, cancel.inf_time + timedelta(days=1))
    amounts = {name: getattr(info, name) for name in ("medfee_sumamt", "fund_pay_sumamt", "acct_pay")}
    assert (await totals(counter, fixmedins_setl_cnt=1, **amounts)).stmt_rslt is StatementResult.BALANCED
    negative = {name: -amount for name, amount in amounts.items()}
    next_day = await totals(counter, day=DAY + timedelta(days=1), fixmedins_setl_cnt=-1, **negative)
    assert next_day.stmt_rslt is StatementResult.BALANCED


@pytest.mark.parametrize("days", [-1, 1])
async def test_a_desk_cannot_write_into_another_day(counter: Any, days: int) -> None:
    request = await counter.visit(await counter.present(), LINES)
    told = request.model_copy(update={"inf_time": request.inf_time + timedelta(days=days)})
    info = (await counter.send(told, request.inf_time)).output.setlinfo
    assert info.setl_time == request.inf_time
    cancel = counter.cancel_request(info.psn_no, info.setl_id)
    taken_back = cancel.model_copy(update={"inf_time": cancel.inf_time + timedelta(days=days)})
    assert (await counter.send(taken_back, cancel.inf_time)).output.setlinfo.setl_time == cancel.inf_time
    for other in (DAY - timedelta(days=1), DAY + timedelta(days=1)):
        assert (await totals(counter, day=other)).stmt_rslt is StatementResult.BALANCED
    transfers = (
        await counter.session.scalars(select(TransferRow.business_day).where(TransferRow.reference != ""))
    ).all()
    assert set(transfers) == {DAY}


async def test_a_reversed_settlement_never_was(counter: Any) -> None:
    info = await settled(counter)
    await counter.send(counter.reversal_request(info.psn_no, info.setl_id))
    assert (await totals(counter)).stmt_rslt is StatementResult.BALANCED
    assert (await detail(counter, [])).rows == []


async def test_rows_are_compared_one_by_one(counter: Any) -> None:
    first, second = await settled(counter, "V1"), await settled(counter, "V2")
    assert (await detail(counter, [row(first), row(second)])).rows == []
    stranger = row(second, setl_id="hospital-1000", mdtrt_id="V3")
    wrong = row(first, acct_pay=yuan("299.99"))
    found = {each.setl_id: each for each in (await detail(counter, [wrong, stranger])).rows}
    assert found[first.setl_id].stmt_rslt is StatementResult.DIFFERENT
    assert found[first.setl_id].memo == "acct_pay: hospital 299.99, fund 300.00"
    assert found[second.setl_id].stmt_rslt is StatementResult.MISSING_AT_HOSPITAL
    assert found["hospital-1000"].stmt_rslt is StatementResult.MISSING_AT_FUND


async def test_another_hospitals_settlements_are_not_shown(counter: Any, counter_at: Any) -> None:
    await settled(counter)
    assert (await detail(counter_at("HOSP-2-01", "hospital-2"), [])).rows == []


@pytest.mark.parametrize(
    "changes",
    [{"medfee_sumamt": yuan("1")}, {"cash_payamt": yuan("1")}, {"fixmedins_setl_cnt": 7}],
    ids=["total", "cash", "count"],
)
async def test_a_file_whose_totals_are_not_its_rows_is_refused(counter: Any, changes: dict[str, Any]) -> None:
    info = await settled(counter)
    with pytest.raises(MedicalRefused) as caught:
        await detail(counter, [row(info)], **changes)
    assert caught.value.reason is MedicalRefusal.TOTAL_DIFFERS


async def test_a_file_that_lists_a_settlement_twice_is_refused(counter: Any) -> None:
    info = await settled(counter)
    with pytest.raises(MedicalRefused, match="listed twice"):
        await detail(counter, [row(info), row(info)])
