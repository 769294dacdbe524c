"""The lives of a window, of its books, and of a book's bank account."""

from __future__ import annotations

import pytest

from clearing.reconciliation.standing import LIFE as BANK
from clearing.reconciliation.standing import BankEvent, BankState
from clearing.settlement.life import LIFE as BOOK
from clearing.settlement.life import BookEvent, BookState
from clearing.settlement.model import LIFE as WINDOW
from clearing.settlement.model import WindowEvent, WindowState


def test_only_an_approved_proposal_closes_a_window_and_nothing_opens_it_again() -> None:
    closing = [pair for pair, state in WINDOW.items() if state is WindowState.CLOSED]
    assert closing == [(WindowState.PROPOSED, WindowEvent.APPROVE)]
    assert not [state for state, _ in WINDOW if state is WindowState.CLOSED]


def test_a_window_is_proposed_by_its_computed_result_only() -> None:
    proposing = [pair for pair, state in WINDOW.items() if state is WindowState.PROPOSED]
    assert proposing == [(WindowState.FROZEN, WindowEvent.PROPOSE)]


def test_what_is_withdrawn_before_the_approval_is_frozen_anew_and_takes_no_more_batches() -> None:
    withdrawing = {state: after for (state, event), after in WINDOW.items() if event is WindowEvent.WITHDRAW}
    assert withdrawing == dict.fromkeys((WindowState.FROZEN, WindowState.PROPOSED), WindowState.WITHDRAWN)
    leaving = {event: after for (state, event), after in WINDOW.items() if state is WindowState.WITHDRAWN}
    assert leaving == {WindowEvent.FREEZE: WindowState.FROZEN}
    assert WindowState.OPEN not in WINDOW.values()


@pytest.mark.parametrize("event", ["start", "paid", "propose_abort", "withdraw_abort", "abort"])
def test_nobody_here_goes_on_with_a_book_that_is_settled_or_aborted(event: str) -> None:
    assert not {state for state, known in BOOK if known == event} & {BookState.SETTLED, BookState.ABORTED}


def test_a_book_ends_unpaid_by_two_people_only() -> None:
    aborting = [pair for pair, after in BOOK.items() if after is BookState.ABORTED and pair[0] is not after]
    assert aborting == [(BookState.ABORTING, BookEvent.ABORT)]
    assert BOOK[BookState.ABORTING, BookEvent.WITHDRAW_ABORT] is BookState.PENDING


def test_a_book_is_called_once() -> None:
    assert [state for state, event in BOOK if event is BookEvent.START] == [BookState.CLOSED]
    assert BookState.CLOSED not in BOOK.values()


@pytest.mark.parametrize("state", BankState)
def test_a_wrong_balance_stops_a_book_in_any_state(state: BankState) -> None:
    assert BANK[state, BankEvent.STOP] is BankState.STOPPED


def test_one_person_alone_lifts_no_stop() -> None:
    lifting = [pair for pair, state in BANK.items() if state is BankState.RUNNING]
    assert lifting == [(BankState.LIFTING, BankEvent.LIFT)]
