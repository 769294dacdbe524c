"""A closed window's book is called in, paid, and at its end settled or aborted. Each function is one use case."""

from __future__ import annotations

from collections import Counter
from datetime import datetime

from sqlalchemy import insert, select
from sqlalchemy.ext.asyncio import AsyncSession

from backoffice.problems import Refused
from backoffice.states import step
from backoffice.two_people import a_second_person
from clearing.participants.contracts import beyond_cap
from clearing.participants.publishing import contracts
from clearing.participants.rules import City
from clearing.participants.service import city
from clearing.reconciliation import queries, standing
from clearing.reconciliation.progress import BookProgress, Direction, progress
from clearing.reconciliation.tables import BookRow, LegRow
from clearing.settlement import queries as windows
from clearing.settlement.encoding import decode
from clearing.settlement.life import LIFE, BookEvent, BookState
from clearing.settlement.model import WindowState
from clearing.settlement.obligations import Legs, gross, legs, with_carried
from clearing.settlement.tables import WindowRow
from rulebook.money import Amount


async def start(session: AsyncSession, number: int, book: str, *, actor: str, now: datetime) -> BookRow:
    """Make the pay-in calls of a closed window's book. Raises ``Refused``."""
    here = await city(session)
    at_bank(here, book)
    await standing.running(session, book)
    window = await _closed(session, number)
    known = await queries.book_row(session, number, book, lock=True)
    state = _moved(BookState(known.state) if known else BookState.CLOSED, BookEvent.START, number, book)
    carried = await _aborted(session, book)
    owed = await _owed(session, here, window, book, carried)
    assert window.business_day is not None
    terms = here.bank_accounts[book]
    row = BookRow(
        window=number,
        book=book,
        state=state,
        netting=terms.netting,
        own_minor=owed.own_minor,
        settlement_date=here.rules().calendar.working_days_after(window.business_day, terms.pay_within_days),
        started_by=actor,
        started_at=now,
    )
    session.add(row)
    await session.flush()
    await _store_legs(session, window, row, owed)
    for before in carried:
        before.carried_into = number
    await settle_if_complete(session, row, now=now)
    return row


async def settle_if_complete(session: AsyncSession, row: BookRow, *, now: datetime) -> BookProgress:
    """Where it stands; the book is settled when its last leg is paid."""
    reached = await progress(session, row)
    if row.state == BookState.PENDING and reached.complete:
        row.state = _moved(BookState.PENDING, BookEvent.PAID, row.window, row.book)
        row.ended_at = now
        await session.flush()
    return reached


async def propose_abort(session: AsyncSession, number: int, book: str, *, actor: str) -> BookRow:
    """The first person: what is open is to be carried into the next settlement."""
    row, state = await _locked(session, number, book, BookEvent.PROPOSE_ABORT)
    row.state, row.abort_proposed_by = state, actor
    await session.flush()
    return row


async def withdraw_abort(session: AsyncSession, number: int, book: str, *, now: datetime) -> BookRow:
    row, state = await _locked(session, number, book, BookEvent.WITHDRAW_ABORT)
    row.state, row.abort_proposed_by = state, None
    await session.flush()
    await settle_if_complete(session, row, now=now)
    return row


async def abort(session: AsyncSession, number: int, book: str, *, actor: str, now: datetime) -> BookRow:
    """The second person. Raises ``Refused`` while a payment is on its way: it could still be executed."""
    row, state = await _locked(session, number, book, BookEvent.ABORT)
    a_second_person(actor, first=row.abort_proposed_by, what=f"the abort of window {number} of {book}")
    if (await progress(session, row)).under_way:
        detail = "withdraw the drafted file, or wait until the bank has shown the released payments"
        raise Refused(409, "Payments are under way", detail, reason="payments_under_way")
    row.state, row.aborted_by, row.ended_at = state, actor, now
    await session.flush()
    return row


def at_bank(here: City, book: str) -> None:
    """Raises ``Refused`` 404 for a book that is not settled through a bank."""
    if book not in here.bank_accounts:
        detail = f"book is {book!r}; books with a bank account are {', '.join(sorted(here.bank_accounts)) or 'none'}"
        raise Refused(404, "The book has no bank account", detail, reason="book_not_at_bank")


async def existing(session: AsyncSession, number: int, book: str, *, lock: bool = False) -> BookRow:
    """Raises ``Refused`` 404."""
    row = await queries.book_row(session, number, book, lock=lock)
    if row is None:
        detail = f"window {number} of {book} has no calls; start its settlement"
        raise Refused(404, "The settlement has not begun", detail, reason="settlement_not_begun")
    return row


async def _closed(session: AsyncSession, number: int) -> WindowRow:
    window = await windows.window(session, number)
    if window is None:
        raise Refused(404, "There is no such window", f"window is {number}", reason="window_unknown")
    if window.state != WindowState.CLOSED:
        detail = f"window {number} is {window.state}; two persons close it first"
        raise Refused(409, "The window is not closed", detail, reason=f"window_{window.state}")
    return window


async def _owed(session: AsyncSession, here: City, window: WindowRow, book: str, carried: list[BookRow]) -> Legs:
    """By the frozen result alone: what was posted since the close is the next window's."""
    assert window.result is not None
    keeper = here.keepers[book]
    transfers = [numbered.transfer for numbered in decode(window.result).transfers]
    netting = here.bank_accounts[book].netting
    fresh = legs(gross(transfers, book=book, keeper=keeper), netting, book=book, keeper=keeper)
    rest: dict[Direction, Counter[str]] = {direction: Counter() for direction in Direction}
    for before in carried:
        for leg in (await progress(session, before)).legs:
            rest[leg.direction][leg.participant] += leg.open_minor
    return with_carried(fresh, netting, pay_in=rest[Direction.IN], pay_out=rest[Direction.OUT])


async def _aborted(session: AsyncSession, book: str) -> list[BookRow]:
    found = select(BookRow).where(
        BookRow.book == book, BookRow.state == BookState.ABORTED, BookRow.carried_into.is_(None)
    )
    return list(await session.scalars(found.order_by(BookRow.window).with_for_update()))


async def _store_legs(session: AsyncSession, window: WindowRow, row: BookRow, owed: Legs) -> None:
    assert window.business_day is not None
    terms = await contracts(session)
    rows = []
    for direction, amounts in ((Direction.IN, owed.pay_in), (Direction.OUT, owed.pay_out)):
        for participant, amount in amounts.items():
            contract = terms.of(participant, window.business_day, book=row.book) if terms else None
            net = owed.pay_out.get(participant, Amount(0)) - owed.pay_in.get(participant, Amount(0))
            over = beyond_cap(contract, net) if contract and direction is Direction.IN else Amount(0)
            rows.append(
                {
                    "window": row.window,
                    "book": row.book,
                    "participant": participant,
                    "direction": direction,
                    "amount_minor": amount.minor,
                    "beyond_cap_minor": over.minor,
                }
            )
    if rows:
        await session.execute(insert(LegRow), rows)


async def _locked(session: AsyncSession, number: int, book: str, event: BookEvent) -> tuple[BookRow, BookState]:
    await standing.locked(session, book)
    row = await existing(session, number, book, lock=True)
    return row, _moved(BookState(row.state), event, number, book)


def _moved(state: BookState, event: BookEvent, number: int, book: str) -> BookState:
    """Raises ``Refused``."""
    return step(LIFE, f"window {number} of {book}", state, event, reason=f"settlement_{state}")
