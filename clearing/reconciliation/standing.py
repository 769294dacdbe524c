"""Whether a book's money at the bank may be touched: a wrong balance stops it, two persons let it go on."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from enum import StrEnum, unique

from sqlalchemy import func, select
from sqlalchemy.dialects import postgresql
from sqlalchemy.ext.asyncio import AsyncSession

from backoffice.problems import Refused
from backoffice.states import step
from backoffice.two_people import a_second_person
from clearing.reconciliation.tables import BankReportRow, BankStandingRow


@unique
class BankState(StrEnum):
    RUNNING = "running"
    STOPPED = "stopped"  # a statement does not follow from what is known
    LIFTING = "lifting"  # one person says that it is in order again


@unique
class BankEvent(StrEnum):
    STOP = "stop"
    PROPOSE_LIFT = "propose_lift"
    LIFT = "lift"


LIFE: Mapping[tuple[BankState, BankEvent], BankState] = {
    (BankState.RUNNING, BankEvent.STOP): BankState.STOPPED,
    (BankState.STOPPED, BankEvent.STOP): BankState.STOPPED,
    (BankState.LIFTING, BankEvent.STOP): BankState.STOPPED,
    (BankState.STOPPED, BankEvent.PROPOSE_LIFT): BankState.LIFTING,
    (BankState.LIFTING, BankEvent.LIFT): BankState.RUNNING,
}


async def locked(session: AsyncSession, book: str) -> BankStandingRow:
    """The book's standing, locked until the transaction ends."""
    first = postgresql.insert(BankStandingRow).values(book=book, state=BankState.RUNNING)
    await session.execute(first.on_conflict_do_nothing())
    return await session.get_one(BankStandingRow, book, with_for_update=True, populate_existing=True)


async def running(session: AsyncSession, book: str) -> BankStandingRow:
    """The same of a book that is not stopped. Raises ``Refused`` 409."""
    row = await locked(session, book)
    if row.state != BankState.RUNNING:
        detail = f"{row.stopped_by_report} is wrong; take the right one, then two persons lift the stop"
        raise Refused(409, "The bank's balance is wrong / 银行余额不符", detail, reason="bank_stopped")
    return row


async def stop(session: AsyncSession, row: BankStandingRow, report: str, *, now: datetime) -> None:
    row.state = _moved(row, BankEvent.STOP)
    row.stopped_by_report, row.stopped_at, row.lift_proposed_by = report, now, None
    await session.flush()


async def propose_lift(session: AsyncSession, book: str, *, actor: str) -> BankStandingRow:
    """The first person. Raises ``Refused`` until a right statement has come after whatever was wrong."""
    row = await locked(session, book)
    row.state = _moved(row, BankEvent.PROPOSE_LIFT)
    if not await _right_since_wrong(session, book):
        detail = f"{row.stopped_by_report} is wrong and no right statement has come since"
        raise Refused(409, "No right statement since", detail, reason="statement_still_wrong")
    row.lift_proposed_by = actor
    await session.flush()
    return row


async def lift(session: AsyncSession, book: str, *, actor: str) -> BankStandingRow:
    """The second person: the book may be settled again. Raises ``Refused``."""
    row = await locked(session, book)
    state = _moved(row, BankEvent.LIFT)
    a_second_person(actor, first=row.lift_proposed_by, what=f"lifting the stop of {book}")
    row.state, row.stopped_by_report, row.stopped_at, row.lift_proposed_by = state, None, None, None
    await session.flush()
    return row


async def next_number(session: AsyncSession, book: str) -> int:
    """Under the lock of the book's standing."""
    highest = await session.scalar(select(func.max(BankReportRow.number)).where(BankReportRow.book == book))
    return (highest or 0) + 1


async def _right_since_wrong(session: AsyncSession, book: str) -> bool:
    """An advice has no balance: only a statement shows that all is right again."""
    right = (BankReportRow.state == "accepted") & BankReportRow.closing_minor.is_not(None)
    numbers = select(
        func.max(BankReportRow.number).filter(right),
        func.max(BankReportRow.number).filter(BankReportRow.state == "wrong"),
    )
    last_right, last_wrong = (await session.execute(numbers.where(BankReportRow.book == book))).one()
    return (last_right or 0) > (last_wrong or 0)


def _moved(row: BankStandingRow, event: BankEvent) -> BankState:
    """Raises ``Refused``."""
    return step(LIFE, f"the bank account of {row.book}", BankState(row.state), event, reason=f"bank_{row.state}")
