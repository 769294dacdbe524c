"""The life of a closed window's book: every pair that is not in the table raises."""

from __future__ import annotations

from itertools import product

import pytest

from clearing.reconciliation.standing import BankEvent, BankState, ImpossibleBankEvent, next_bank_state
from clearing.settlement.life import LIFE, BookEvent, BookState, ImpossibleBookEvent, next_book_state

OTHERS = sorted(set(product(BookState, BookEvent)) - set(LIFE))


@pytest.mark.parametrize(("state", "event"), OTHERS, ids=[f"{s}-{e}" for s, e in OTHERS])
def test_what_is_not_in_the_table_is_refused_with_the_way_out(state: BookState, event: BookEvent) -> None:
    with pytest.raises(ImpossibleBookEvent, match="it must be"):
        next_book_state(state, event)


def test_settled_and_aborted_are_ends() -> None:
    assert not [state for state, _ in LIFE if state in (BookState.SETTLED, BookState.ABORTED)]


@pytest.mark.parametrize("state", BankState)
def test_a_wrong_balance_stops_a_book_in_any_state(state: BankState) -> None:
    assert next_bank_state(state, BankEvent.STOP) is BankState.STOPPED


def test_one_person_alone_lifts_no_stop() -> None:
    with pytest.raises(ImpossibleBankEvent):
        next_bank_state(BankState.STOPPED, BankEvent.LIFT)
