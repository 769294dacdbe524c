"""Windows as stored."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime

from sqlalchemy import insert, select
from sqlalchemy.dialects import postgresql
from sqlalchemy.dialects.postgresql import distinct_on
from sqlalchemy.ext.asyncio import AsyncSession

from clearing.settlement.model import WindowResult, WindowState
from clearing.settlement.tables import DecisionRow, SettledRow, WindowRow
from clearing.verification.context import Settled, TransactionId
from clearing.verification.joining import RecordId
from clearing.verification.reasons import Status
from rulebook.record import Kind

_PATIENCE = 5


async def open_window(session: AsyncSession) -> int:
    """The number of the window that is open; it does not close before this transaction ends."""
    open_now = select(WindowRow.number).where(WindowRow.state == WindowState.OPEN).with_for_update(read=True)
    for _ in range(_PATIENCE):
        if (number := await session.scalar(open_now)) is not None:
            return number
        # The window was frozen while this waited for its row; only a new statement sees the one that followed it.
    raise LookupError("no window is open; clearing opens the first one when it starts")


async def frozen_window(session: AsyncSession) -> int | None:
    """The window that somebody has proposed and nobody approved yet. No other can be proposed before this transaction
    ends."""
    await open_window(session)
    return await session.scalar(select(WindowRow.number).where(WindowRow.state == WindowState.PROPOSED).limit(1))


async def ensure_open(session: AsyncSession, *, now: datetime) -> None:
    """Open the first window; nothing where there is one."""
    first = postgresql.insert(WindowRow).values(number=1, state=WindowState.OPEN, opened_at=now)
    await session.execute(first.on_conflict_do_nothing())


async def window(session: AsyncSession, number: int, *, lock: bool = False) -> WindowRow | None:
    return await session.get(WindowRow, number, with_for_update=lock or None, populate_existing=lock)


async def windows(session: AsyncSession) -> Sequence[WindowRow]:
    return (await session.scalars(select(WindowRow).order_by(WindowRow.number))).all()


async def suspended_before(session: AsyncSession, number: int) -> list[RecordId]:
    """Records whose last decision, in a window before ``number``, left them open."""
    last = (
        select(DecisionRow)
        .where(DecisionRow.window < number)
        .ext(distinct_on(DecisionRow.device, DecisionRow.journal_sequence))
        .order_by(DecisionRow.device, DecisionRow.journal_sequence, DecisionRow.window.desc())
        .subquery()
    )
    rows = await session.execute(
        select(last.c.device, last.c.journal_sequence).where(last.c.status == Status.SUSPENDED)
    )
    return [(device, sequence) for device, sequence in rows]


async def settled(session: AsyncSession, ids: Iterable[TransactionId]) -> dict[TransactionId, Settled]:
    """Those of ``ids`` that have moved money."""
    rows = await session.execute(
        select(SettledRow.id, SettledRow.fingerprint, SettledRow.evidence).where(
            SettledRow.id.in_([str(id_) for id_ in ids])
        )
    )
    return {TransactionId.parse(id_): Settled(fingerprint, Kind[evidence]) for id_, fingerprint, evidence in rows}


async def store_ends(session: AsyncSession, result: WindowResult) -> None:
    """Decisions and settled transactions of an approved result."""
    decisions = [
        {
            "window": result.number,
            "device": row.decision.record[0],
            "journal_sequence": row.decision.record[1],
            "status": row.decision.status,
            "reason": row.decision.reason,
        }
        for row in result.decided
    ]
    moved = [
        {
            "id": str(id_),
            "fingerprint": known.fingerprint,
            "evidence": known.evidence.name,
            "window": result.number,
        }
        for id_, known in result.settled.items()
    ]
    for table, rows in ((DecisionRow, decisions), (SettledRow, moved)):
        if rows:
            await session.execute(insert(table), rows)
