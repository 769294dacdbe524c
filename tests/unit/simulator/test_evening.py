"""A hospital's evening: what keeps it from agreeing with the fund is said."""

from __future__ import annotations

from datetime import UTC, date, datetime
from typing import Any

import pytest

from rulebook.messages.medical import ReconciliationResultRow, StatementResult
from rulebook.money import yuan
from simulator.city.day import Diary
from simulator.city.evening import Evening, evening
from simulator.city.report import _hospitals_agree
from terminals.hospital import Reconciled, Repaired, RepairOutcome

BALANCED = Reconciled(totals=(), rows=())
ROW = ReconciliationResultRow(
    psn_no="p1",
    mdtrt_id="V1",
    setl_id="S1",
    stmt_rslt=StatementResult.MISSING_AT_HOSPITAL,
    refd_setl_flag="0",
    memo="the hospital did not list this settlement",
    medfee_sumamt=yuan("1"),
    fund_pay_sumamt=yuan("0"),
    acct_pay=yuan("0"),
)
DIFFERENT = Reconciled(totals=("medfee_sumamt: hospital 0.00, fund 1.00",), rows=(ROW,))


def repaired(outcome: RepairOutcome) -> Repaired:
    return Repaired(msgid="M1", visit="V1", outcome=outcome)


@pytest.mark.parametrize(
    ("outcomes", "reconciled", "said"),
    [
        ([], BALANCED, []),
        ([RepairOutcome.REVERSED, RepairOutcome.CANCELLED, RepairOutcome.SETTLED], BALANCED, []),
        ([RepairOutcome.SILENT], BALANCED, ["hospital-1: M1 silent"]),
        ([RepairOutcome.REFUSED], BALANCED, ["hospital-1: M1 refused"]),
        (
            [],
            DIFFERENT,
            [
                "hospital-1: medfee_sumamt: hospital 0.00, fund 1.00",
                "hospital-1: S1 the hospital did not list this settlement",
            ],
        ),
    ],
    ids=["nothing", "repaired", "silent", "refused", "different"],
)
def test_what_differs_is_said(outcomes: list[RepairOutcome], reconciled: Reconciled, said: list[str]) -> None:
    found = Evening("hospital-1", tuple(map(repaired, outcomes)), reconciled)
    assert found.differences() == said
    assert found.agrees is (said == [])
    holds, detail = _hospitals_agree(Diary(evenings=[found]))
    assert holds is (said == [])
    assert all(sentence in detail for sentence in said)


def test_what_is_open_is_repaired_before_the_totals_are_compared() -> None:
    calls: list[str] = []

    class Desk:
        def repair(self, now: datetime) -> list[Repaired]:
            calls.append("repair")
            return [repaired(RepairOutcome.REVERSED)]

        def reconcile(self, day: date, now: datetime) -> Reconciled:
            calls.append(f"reconcile {day}")
            return BALANCED

    desk: Any = Desk()
    found = evening("hospital-1", desk, date(2026, 9, 15), datetime(2026, 9, 15, 16, tzinfo=UTC))
    assert calls == ["repair", "reconcile 2026-09-15"]
    assert found.agrees
