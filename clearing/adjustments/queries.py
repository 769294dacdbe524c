"""Adjustments as stored, and what they may correct."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from clearing.adjustments.rules import Adjustment, AdjustmentState, Corrects, Reason
from clearing.adjustments.tables import AdjustmentRow
from clearing.cases.tables import CaseRow
from clearing.settlement.model import WindowState
from clearing.settlement.queries import window
from rulebook.money import Amount

_ENDED_SHOWN = 100


async def proposed(session: AsyncSession) -> Sequence[AdjustmentRow]:
    """Those that wait for the second person, oldest first."""
    found = select(AdjustmentRow).where(AdjustmentRow.state == AdjustmentState.PROPOSED)
    return (await session.scalars(found.order_by(AdjustmentRow.proposed_at, AdjustmentRow.id))).all()


async def ended(session: AsyncSession) -> Sequence[AdjustmentRow]:
    """The last ones, newest first."""
    found = select(AdjustmentRow).where(AdjustmentRow.state != AdjustmentState.PROPOSED)
    return (
        await session.scalars(found.order_by(AdjustmentRow.decided_at.desc(), AdjustmentRow.id).limit(_ENDED_SHOWN))
    ).all()


async def taken_back_by(session: AsyncSession, adjustment: str) -> AdjustmentRow | None:
    """The reversal that is posted, or waits for its second person."""
    live = AdjustmentRow.state.in_([AdjustmentState.PROPOSED, AdjustmentState.POSTED])
    found = select(AdjustmentRow).where(
        AdjustmentRow.corrected == adjustment, AdjustmentRow.reason == Reason.REVERSAL, live
    )
    row: AdjustmentRow | None = await session.scalar(found)
    return row


async def fault_of_corrected(session: AsyncSession, corrects: Corrects, corrected: str) -> str:
    """What is wrong with naming this as what is corrected; empty where nothing is."""
    if corrects is Corrects.CASE:
        return "" if await session.get(CaseRow, corrected) else f"is {corrected!r}; there is no such case"
    row = await window(session, int(corrected)) if corrected.isascii() and corrected.isdigit() else None
    if row is None or row.state != WindowState.CLOSED:
        return (
            f"is {corrected!r}; name a window that has closed by its number, what is open is corrected before its close"
        )
    return ""


def adjustment_of(row: AdjustmentRow) -> Adjustment:
    return Adjustment(
        number=row.number,
        book=row.book,
        giver=row.giver,
        receiver=row.receiver,
        debit=row.debit,
        credit=row.credit,
        amount=Amount(row.amount_minor),
        reason=Reason(row.reason),
        text=row.text,
        corrects=Corrects(row.corrects),
        corrected=row.corrected,
    )
