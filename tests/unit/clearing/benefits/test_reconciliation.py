"""Both sides' settlements compared."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clearing.benefits.reconciliation import compare_rows, compare_totals, repeated, totals
from rulebook.messages.medical import ReconciliationRow, StatementResult
from rulebook.money import Amount


def row(number: str = "1", fen: int = 1000, **fields: Any) -> ReconciliationRow:
    given = {
        "setl_id": f"s{number}",
        "mdtrt_id": f"v{number}",
        "psn_no": "p",
        "medfee_sumamt": Amount(fen),
        "fund_pay_sumamt": Amount(fen // 2),
        "acct_pay": Amount(fen // 4),
        "refd_setl_flag": "1" if fen < 0 else "0",
    }
    return ReconciliationRow(**{**given, **fields})


rows = st.lists(st.integers(1, 10_000), max_size=6).map(
    lambda fens: [row(str(number), fen) for number, fen in enumerate(fens)]
)


@given(rows, st.randoms())
def test_equal_sides_agree_in_any_order(every: list[ReconciliationRow], random: Any) -> None:
    shuffled = list(every)
    random.shuffle(shuffled)
    assert compare_rows(shuffled, every) == []
    assert compare_totals(totals(shuffled), totals(every)) == []


def test_a_cancelled_settlement_counts_nothing() -> None:
    back = row("1", -1000, fund_pay_sumamt=Amount(-500), acct_pay=Amount(-250))
    assert totals([row(), back]) == totals([])


@pytest.mark.parametrize(
    ("hospital", "fund", "result"),
    [
        ([row()], [], StatementResult.MISSING_AT_FUND),
        ([], [row()], StatementResult.MISSING_AT_HOSPITAL),
        ([row()], [row(acct_pay=Amount(1))], StatementResult.DIFFERENT),
        ([row()], [row(psn_no="q")], StatementResult.DIFFERENT),
    ],
    ids=lambda value: getattr(value, "name", ""),
)
def test_a_difference_is_flagged(
    hospital: list[ReconciliationRow], fund: list[ReconciliationRow], result: StatementResult
) -> None:
    (found,) = compare_rows([*hospital, row("9")], [row("9"), *fund])
    assert (found.setl_id, found.stmt_rslt) == ("s1", result)


def test_a_differing_amount_is_named_with_both_values() -> None:
    (found,) = compare_rows([row()], [row(acct_pay=Amount(1))])
    assert found.memo == "acct_pay: hospital 2.50, fund 0.01"
    assert compare_totals(totals([row()]), totals([row(acct_pay=Amount(1))])) == ["acct_pay: hospital 2.50, fund 0.01"]


def test_a_settlement_listed_twice_is_named() -> None:
    assert repeated([row("1"), row("2"), row("1")]) == ["s1"]
    assert repeated([row("1"), row("1", -1000)]) == []
