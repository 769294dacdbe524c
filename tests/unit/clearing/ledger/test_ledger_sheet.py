"""The balance sheet of a book."""

from __future__ import annotations

import pytest

from clearing.ledger.accounts import TRANSIT, Kind, account, medical_book
from clearing.ledger.rules import Counters, Standing
from clearing.ledger.sheet import position_of_float


def day() -> list[Standing]:
    """1000 opened on cards, 500 prepaid of which 200 loaded and 50 in flight, 300 of taps, 40 borne by a fund."""
    return [
        Standing(account(TRANSIT, Kind.FLOAT_AT_BANK), Counters(1500, 0, 0, 0)),
        Standing(account(TRANSIT, Kind.AGENT_PREFUNDED, "a"), Counters(200, 500, 50, 0)),
        Standing(account(TRANSIT, Kind.VALUE_ON_CARDS), Counters(300, 1200, 0, 50)),
        Standing(account(TRANSIT, Kind.OPERATOR_PAYABLE, "x"), Counters(0, 240, 0, 0)),
        Standing(account(TRANSIT, Kind.OPERATOR_PAYABLE, "y"), Counters(0, 100, 0, 0)),
        Standing(account(TRANSIT, Kind.SUBSIDY_RECEIVABLE, "f"), Counters(40, 0, 0, 0)),
    ]


def test_float_and_receivables_equal_what_is_owed() -> None:
    sheet = position_of_float(day())
    assert (sheet.held, sheet.owed, sheet.reserved, sheet.balanced) == (1540, 1540, 50, True)
    assert sheet.lines == {
        Kind.FLOAT_AT_BANK: 1500,
        Kind.AGENT_PREFUNDED: 300,
        Kind.VALUE_ON_CARDS: 900,
        Kind.OPERATOR_PAYABLE: 340,
        Kind.SUBSIDY_RECEIVABLE: 40,
    }


@pytest.mark.parametrize("place", range(6))
@pytest.mark.parametrize("counter", range(4))
def test_a_fen_too_much_anywhere_shows(place: int, counter: int) -> None:
    every = day()
    counters = list(every[place].counters)
    counters[counter] += 1
    every[place] = Standing(every[place].account, Counters(*counters))
    assert not position_of_float(every).balanced


def test_an_empty_book_balances() -> None:
    assert position_of_float([]).balanced


def test_books_are_never_added_up_together() -> None:
    with pytest.raises(ValueError, match="one book"):
        position_of_float([*day(), Standing(account(medical_book("f"), Kind.FUND_POOL))])
