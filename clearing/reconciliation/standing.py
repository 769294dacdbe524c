"""Whether a book's money at the bank may be touched: a wrong balance stops it, two persons let it go on."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from enum import StrEnum, unique

from sqlalchemy import func, select
from sqlalchemy.dialects import postgresql
from sqlalchemy.ext.asyncio import AsyncSession

from backoffice.problems import Refused
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


_LIFE: Mapping[tuple[BankState, BankEvent], BankState] = {
    (BankState.RUNNING, BankEvent.STOP): BankState.STOPPED,
    (BankState.STOPPED, BankEvent.STOP): BankState.STOPPED,
    (BankState.LIFTING, BankEvent.STOP): BankState.STOPPED,
    (BankState.STOPPED, BankEvent.PROPOSE_LIFT): BankState.LIFTING,
    (BankState.LIFTING, BankEvent.LIFT): BankState.RUNNING,
}


class ImpossibleBankEvent(Exception):
    """The state does not allow it; nothing was changed."""


def next_bank_state(state: BankState, event: BankEvent) -> BankState:
    """Raises ``ImpossibleBankEvent`` for a pair that is not in the table."""
    try:
        return _LIFE[state, event]
    except KeyError:
        allowed = ", ".join(sorted(known for known, wanted in _LIFE if wanted is event))
        raise ImpossibleBankEvent(f"the book's bank account is {state}; for {event} it must be {allowed}") from None


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
    row.state = next_bank_state(BankState(row.state), BankEvent.STOP)
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
    if actor == row.lift_proposed_by:
        detail = f"{actor} proposed to lift the stop of {book}; somebody else approves it"
        raise Refused(409, "A second person must approve / 须由另一人批准", detail, reason="second_person_must_differ")
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
    try:
        return next_bank_state(BankState(row.state), event)
    except ImpossibleBankEvent as error:
        raise Refused(409, "The bank account is not in that state", str(error), reason=f"bank_{row.state}") from error
