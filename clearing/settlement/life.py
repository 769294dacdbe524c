"""What becomes of a closed window in each of its books. Books settle by themselves and never wait for each other.

Not in the table: a shortfall is no event; a book stays pending until the last leg is paid. What an aborted book leaves unpaid
is carried into the next settlement of that book.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum, unique


@unique
class BookState(StrEnum):
    CLOSED = "closed"  # the window has closed, nothing was called yet
    PENDING = "pending"  # pay-in calls are out
    ABORTING = "aborting"  # one person wants it ended unpaid
    SETTLED = "settled"
    ABORTED = "aborted"  # two persons did; the rest is carried forward


@unique
class BookEvent(StrEnum):
    START = "start"
    PAID = "paid"  # the last leg was
    PROPOSE_ABORT = "propose_abort"
    WITHDRAW_ABORT = "withdraw_abort"
    ABORT = "abort"
    TAKEN_BACK = "taken_back"  # by the bank: a payment came back, or a pay-in was reversed


LIFE: Mapping[tuple[BookState, BookEvent], BookState] = {
    (BookState.CLOSED, BookEvent.START): BookState.PENDING,
    (BookState.PENDING, BookEvent.PAID): BookState.SETTLED,
    (BookState.PENDING, BookEvent.PROPOSE_ABORT): BookState.ABORTING,
    (BookState.ABORTING, BookEvent.WITHDRAW_ABORT): BookState.PENDING,
    (BookState.ABORTING, BookEvent.ABORT): BookState.ABORTED,
    (BookState.PENDING, BookEvent.TAKEN_BACK): BookState.PENDING,
    (BookState.SETTLED, BookEvent.TAKEN_BACK): BookState.PENDING,
    (BookState.ABORTING, BookEvent.TAKEN_BACK): BookState.ABORTING,
    # What it left unpaid is more than it was, and goes into the next settlement.
    (BookState.ABORTED, BookEvent.TAKEN_BACK): BookState.ABORTED,
}
