"""The fund counts by institution: a hospital of two desks reconciles with both stores, and sees what one alone leaves out."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

from rulebook.messages.base import Message
from rulebook.messages.medical import (
    ANSWERS,
    DetailOutput,
    FileInfo,
    Infno,
    InsuranceType,
    MedicalType,
    StatementInfo,
    StatementResult,
    TotalsOutput,
)
from rulebook.money import ZERO
from terminals.hospital import HospitalDesk, HospitalSetup, VisitOutcome, VisitStore

DAY = date(2026, 9, 15)


def counting(fund: Any) -> Any:
    """The fund with 3201 over all that it settled, whichever desk asked, and 3202 without rows."""

    def host(message: Any) -> Message:
        infno = getattr(message, "infno", None)
        if infno is Infno.TOTAL_RECONCILIATION:
            output: Message = TotalsOutput(stmtinfo=compared(message.input.data))
        elif infno is Infno.DETAIL_RECONCILIATION:
            info = FileInfo(file_qury_no="F", filename="F.txt", dld_endtime="2026-09-15 20:00:00")
            output = DetailOutput(fileinfo=info, rows=[])
        else:
            return fund(message)  # type: ignore[no-any-return]
        return ANSWERS[infno](inf_refmsgid=message.msgid, respond_time=message.inf_time, output=output)

    def compared(data: Any) -> StatementInfo:
        ours = (
            fund.settled if (data.insutype, data.clr_type) == (InsuranceType.EMPLOYEE, MedicalType.OUTPATIENT) else {}
        )
        total = sum((benefit.total for benefit in ours.values()), start=ZERO)
        same = (data.fixmedins_setl_cnt, data.medfee_sumamt) == (len(ours), total)
        result = StatementResult.BALANCED if same else StatementResult.DIFFERENT
        return StatementInfo(setl_optins=data.setl_optins, stmt_rslt=result, stmt_rslt_dscr="" if same else "differs")

    return host


def test_two_desks_of_one_hospital_reconcile_together(
    fund: Any, card: Any, items: Any, now: Any, make_sam: Any, setup_of_desk: HospitalSetup, tmp_path: Path
) -> None:
    host = counting(fund)
    stores = [VisitStore(tmp_path / f"desk-{number}.db") for number in (1, 2)]
    setups = [replace(setup_of_desk, device=f"HOSP-1-0{number}", number=number) for number in (1, 2)]
    first, second = (
        HospitalDesk(setup, store=store, host=host, sam=make_sam()) for setup, store in zip(setups, stores, strict=True)
    )
    for desk in (first, second):
        assert desk.visit(card, items, now).outcome is VisitOutcome.SETTLED
    evening = datetime(2026, 9, 15, 12, tzinfo=UTC)
    assert first.reconcile(DAY, evening, others=[stores[1]]).balanced
    assert second.reconcile(DAY, evening, others=[stores[0]]).balanced
    assert not first.reconcile(DAY, evening).balanced
    for store in stores:
        store.close()
