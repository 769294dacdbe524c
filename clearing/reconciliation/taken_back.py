"""What the bank had shown and takes back: a payment that comes back, a pay-in that is reversed. A new entry each; its leg is
open again, and a settled book with it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncSession

from backoffice.states import step
from clearing.participants.rules import City
from clearing.reconciliation import queries
from clearing.reconciliation.matching import Match, Target, TargetKind
from clearing.reconciliation.progress import Direction, call_id
from clearing.reconciliation.tables import BookRow, LegRow, PaymentFileRow, PaymentRow
from clearing.settlement.life import LIFE, BookEvent, BookState

OF: Mapping[TargetKind, TargetKind] = {
    TargetKind.CALL_BACK: TargetKind.CALL,
    TargetKind.PAYMENT_BACK: TargetKind.PAYMENT,
}
"""What is counted less by it."""

WINDOWS = 30
"""How many of a book's settlements back; ours. What comes back later is a case."""


async def targets(session: AsyncSession, book: str) -> list[Target]:
    """Everything shown that may come back. What an aborted settlement left was carried on, and is the next one's."""
    windows = [row.window for row in await _settlements(session, book)]
    return [*await _calls(session, book, windows), *await _payments(session, book, windows)]


async def cancelling(session: AsyncSession, here: City, book: str) -> list[Target]:
    """Every unmatched entry, as what another one takes back. No rule looks at them: two persons say so."""
    return [
        Target(kind=TargetKind.ENTRY, id=row.reference, participant=here.keepers[book], open_minor=-row.amount_minor)
        for row in await queries.unmatched(session, book)
    ]


async def reopen(session: AsyncSession, book: str, matches: Iterable[Match]) -> None:
    """The settlements of which something is taken back. Called before that is stored."""
    back = {(part.target.kind, part.target.id) for found in matches for part in found.parts if part.target.kind in OF}
    if not back:
        return
    for row in await _settlements(session, book):
        of_it = [*await _calls(session, book, [row.window]), *await _payments(session, book, [row.window])]
        if back & {(target.kind, target.id) for target in of_it}:
            row.state = step(LIFE, f"window {row.window} of {book}", BookState(row.state), BookEvent.TAKEN_BACK)
            row.ended_at = row.ended_at if row.state == BookState.ABORTED else None
    await session.flush()


async def _settlements(session: AsyncSession, book: str) -> Sequence[BookRow]:
    newest = select(func.max(BookRow.window)).where(BookRow.book == book).scalar_subquery()
    found = select(BookRow).where(
        BookRow.book == book, BookRow.window > newest - WINDOWS, BookRow.carried_into.is_(None)
    )
    return (await session.scalars(found.order_by(BookRow.window))).all()


async def _calls(session: AsyncSession, book: str, windows: Sequence[int]) -> list[Target]:
    found = select(LegRow).where(LegRow.book == book, LegRow.window.in_(windows), LegRow.direction == Direction.IN)
    legs = {call_id(leg.window, book, leg.participant): leg for leg in await session.scalars(found)}
    received = await queries.allocated(session, TargetKind.CALL, legs)
    return [
        Target(kind=TargetKind.CALL_BACK, id=call, participant=leg.participant, open_minor=-received.get(call, 0))
        for call, leg in sorted(legs.items())
        if received.get(call, 0)
    ]


async def _payments(session: AsyncSession, book: str, windows: Sequence[int]) -> list[Target]:
    found = select(PaymentRow).join(PaymentFileRow, PaymentFileRow.id == PaymentRow.file)
    found = found.where(PaymentFileRow.book == book, PaymentFileRow.window.in_(windows))
    rows = {row.id: row for row in await session.scalars(found)}
    shown = await queries.allocated(session, TargetKind.PAYMENT, rows)
    return [
        Target(kind=TargetKind.PAYMENT_BACK, id=id_, participant=row.participant, open_minor=-shown.get(id_, 0))
        for id_, row in sorted(rows.items())
        if shown.get(id_, 0)
    ]
