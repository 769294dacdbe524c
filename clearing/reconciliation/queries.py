"""What is known of the bank and of what goes through it. Nothing here decides."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncSession

from clearing.base import among
from clearing.reconciliation.model import Detail, Entry, MessageKind
from clearing.reconciliation.tables import (
    AllocationRow,
    BankEntryRow,
    BankPageRow,
    BankReportRow,
    BankStandingRow,
    BookRow,
    FailureRow,
    LegRow,
    PaymentFileRow,
    PaymentRow,
)


async def book_row(session: AsyncSession, window: int, book: str, *, lock: bool = False) -> BookRow | None:
    return await session.get(BookRow, (window, book), with_for_update=lock or None, populate_existing=lock)


async def book_rows(session: AsyncSession) -> Sequence[BookRow]:
    return (await session.scalars(select(BookRow).order_by(BookRow.window.desc(), BookRow.book))).all()


async def legs(session: AsyncSession, window: int, book: str) -> Sequence[LegRow]:
    found = select(LegRow).where(LegRow.window == window, LegRow.book == book)
    return (await session.scalars(found.order_by(LegRow.direction, LegRow.participant))).all()


async def files(session: AsyncSession, window: int, book: str) -> Sequence[PaymentFileRow]:
    found = select(PaymentFileRow).where(PaymentFileRow.window == window, PaymentFileRow.book == book)
    return (await session.scalars(found.order_by(PaymentFileRow.drafted_at, PaymentFileRow.id))).all()


async def payments(session: AsyncSession, file_ids: Iterable[str]) -> Sequence[PaymentRow]:
    found = select(PaymentRow).where(PaymentRow.file.in_(list(file_ids)))
    return (await session.scalars(found.order_by(PaymentRow.id))).all()


async def failures(session: AsyncSession, payment_ids: Iterable[str]) -> dict[str, FailureRow]:
    """By payment, approved or not."""
    found = select(FailureRow).where(among(FailureRow.payment, payment_ids))
    return {row.payment: row for row in await session.scalars(found)}


async def allocated(session: AsyncSession, kind: str, targets: Iterable[str]) -> dict[str, int]:
    """Fen that entries of the bank have brought (below zero: taken) to each of ``targets``."""
    found = (
        select(AllocationRow.target, func.sum(AllocationRow.amount_minor))
        .where(AllocationRow.kind == kind, among(AllocationRow.target, targets))
        .group_by(AllocationRow.target)
    )
    return {target: int(minor) for target, minor in await session.execute(found)}


async def report(session: AsyncSession, account: str, kind: MessageKind, id_: str) -> BankReportRow | None:
    return await session.get(BankReportRow, (account, kind, id_))


async def pages(session: AsyncSession, account: str, kind: MessageKind, id_: str) -> Sequence[BankPageRow]:
    found = select(BankPageRow).where(BankPageRow.account == account, BankPageRow.kind == kind, BankPageRow.id == id_)
    return (await session.scalars(found.order_by(BankPageRow.number))).all()


async def waiting_pages(session: AsyncSession) -> Sequence[BankPageRow]:
    """Of reports that are not there yet."""
    there = select(BankReportRow.id).where(
        BankReportRow.account == BankPageRow.account,
        BankReportRow.kind == BankPageRow.kind,
        BankReportRow.id == BankPageRow.id,
    )
    found = select(BankPageRow).where(~there.exists())
    return (await session.scalars(found.order_by(BankPageRow.account, BankPageRow.taken_at, BankPageRow.number))).all()


async def reports(session: AsyncSession, book: str) -> Sequence[BankReportRow]:
    """Newest first."""
    found = select(BankReportRow).where(BankReportRow.book == book)
    return (await session.scalars(found.order_by(BankReportRow.number.desc()))).all()


async def last_statement(session: AsyncSession, book: str) -> BankReportRow | None:
    """The last right one."""
    found = select(BankReportRow).where(
        BankReportRow.book == book,
        BankReportRow.kind == MessageKind.STATEMENT,
        BankReportRow.state == "accepted",
    )
    row: BankReportRow | None = await session.scalar(found.order_by(BankReportRow.number.desc()).limit(1))
    return row


async def standings(session: AsyncSession) -> dict[str, BankStandingRow]:
    return {row.book: row for row in await session.scalars(select(BankStandingRow))}


async def entries(session: AsyncSession, account: str, references: Iterable[str]) -> dict[str, BankEntryRow]:
    found = select(BankEntryRow).where(BankEntryRow.account == account, among(BankEntryRow.reference, references))
    return {row.reference: row for row in await session.scalars(found)}


async def advised_only(session: AsyncSession, account: str) -> list[Entry]:
    """Entries that no statement has confirmed yet."""
    found = select(BankEntryRow).where(BankEntryRow.account == account, BankEntryRow.statement.is_(None))
    return [entry_of(row) for row in await session.scalars(found)]


async def unmatched(session: AsyncSession, book: str) -> Sequence[BankEntryRow]:
    """Entries of the bank that nothing was found for, in order of day and reference."""
    there = select(AllocationRow.reference).where(
        AllocationRow.account == BankEntryRow.account, AllocationRow.reference == BankEntryRow.reference
    )
    found = select(BankEntryRow).where(BankEntryRow.book == book, ~there.exists())
    return (await session.scalars(found.order_by(BankEntryRow.booked_on, BankEntryRow.reference))).all()


async def allocations(session: AsyncSession, book: str) -> Sequence[Any]:
    """(allocation, entry), newest entry first."""
    found = (
        select(AllocationRow, BankEntryRow)
        .join(
            BankEntryRow,
            (AllocationRow.account == BankEntryRow.account) & (AllocationRow.reference == BankEntryRow.reference),
        )
        .where(AllocationRow.book == book)
        .order_by(BankEntryRow.booked_on.desc(), AllocationRow.reference, AllocationRow.number)
    )
    return (await session.execute(found)).all()


def entry_of(row: BankEntryRow) -> Entry:
    details = tuple(Detail(**detail) for detail in row.details)
    return Entry(
        reference=row.reference,
        amount_minor=row.amount_minor,
        booked_on=row.booked_on,
        batch=row.batch,
        details=details,
    )
