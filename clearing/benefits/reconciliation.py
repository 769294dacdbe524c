"""Do hospital and fund count the same? Totals by day (3201) and row by row (3202). Pure.

Sign rule: a settlement counts on its own day, a cancellation takes the same amounts off on the day it was made.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, fields

from rulebook.messages.medical import ReconciliationResultRow, ReconciliationRow, StatementResult
from rulebook.money import ZERO, Amount


@dataclass(frozen=True, slots=True)
class Totals:
    """Named as in 3201. ``fixmedins_setl_cnt``: settlements less cancellations."""

    medfee_sumamt: Amount
    fund_pay_sumamt: Amount
    acct_pay: Amount
    fixmedins_setl_cnt: int


def totals(rows: Iterable[ReconciliationRow]) -> Totals:
    every = list(rows)
    return Totals(
        medfee_sumamt=sum((row.medfee_sumamt for row in every), start=ZERO),
        fund_pay_sumamt=sum((row.fund_pay_sumamt for row in every), start=ZERO),
        acct_pay=sum((row.acct_pay for row in every), start=ZERO),
        fixmedins_setl_cnt=sum(-1 if row.refd_setl_flag == "1" else 1 for row in every),
    )


def compare_totals(hospital: Totals, fund: Totals) -> list[str]:
    """A sentence for each figure that differs."""
    return [
        f"{field.name}: hospital {getattr(hospital, field.name)}, fund {getattr(fund, field.name)}"
        for field in fields(Totals)
        if getattr(hospital, field.name) != getattr(fund, field.name)
    ]


def compare_rows(
    hospital: Sequence[ReconciliationRow], fund: Sequence[ReconciliationRow]
) -> list[ReconciliationResultRow]:
    """Every row that is not the same on both sides, in order of setl_id, with the fund's amounts where it has the row."""
    theirs, ours = _by_id(hospital), _by_id(fund)
    keys = sorted(theirs.keys() | ours.keys())
    return [row for key in keys if (row := _compared(theirs.get(key), ours.get(key))) is not None]


def repeated(rows: Sequence[ReconciliationRow]) -> list[str]:
    """setl_ids that stand twice with the same sign: such a file cannot be compared."""
    keys = [(row.setl_id, row.refd_setl_flag) for row in rows]
    return sorted({key[0] for key in keys if keys.count(key) > 1})


def _by_id(rows: Sequence[ReconciliationRow]) -> Mapping[tuple[str, str], ReconciliationRow]:
    return {(row.setl_id, row.refd_setl_flag): row for row in rows}


def _compared(hospital: ReconciliationRow | None, fund: ReconciliationRow | None) -> ReconciliationResultRow | None:
    if hospital == fund:
        return None
    if fund is None:
        assert hospital is not None
        return _result(hospital, StatementResult.MISSING_AT_FUND, "the fund has no such settlement")
    if hospital is None:
        return _result(fund, StatementResult.MISSING_AT_HOSPITAL, "the hospital did not list this settlement")
    names = [name for name in ReconciliationRow.model_fields if getattr(hospital, name) != getattr(fund, name)]
    memo = "; ".join(f"{name}: hospital {getattr(hospital, name)}, fund {getattr(fund, name)}" for name in names)
    return _result(fund, StatementResult.DIFFERENT, memo)


def _result(row: ReconciliationRow, result: StatementResult, memo: str) -> ReconciliationResultRow:
    return ReconciliationResultRow(**row.model_dump(), stmt_rslt=result, memo=memo)
