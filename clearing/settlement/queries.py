"""Windows as stored."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, fields
from datetime import date, datetime

from sqlalchemy import insert, select
from sqlalchemy.dialects import postgresql
from sqlalchemy.dialects.postgresql import distinct_on
from sqlalchemy.ext.asyncio import AsyncSession

from clearing.base import among
from clearing.day.cleared import bucket_in
from clearing.day.parquet import Written
from clearing.settlement.model import WindowResult, WindowState
from clearing.settlement.tables import ClearedFileRow, CounterFileRow, ExceptionRow, WindowRow
from clearing.verification.context import TransactionId

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
    """The window that somebody has frozen and nobody approved yet. No other can be frozen before this transaction ends."""
    await open_window(session)
    frozen = WindowRow.state.in_([WindowState.FROZEN, WindowState.PROPOSED])
    return await session.scalar(select(WindowRow.number).where(frozen).limit(1))


async def ensure_open(session: AsyncSession, *, now: datetime) -> None:
    """Open the first window; nothing where there is one."""
    first = postgresql.insert(WindowRow).values(number=1, state=WindowState.OPEN, opened_at=now)
    await session.execute(first.on_conflict_do_nothing())


async def window(session: AsyncSession, number: int, *, lock: bool = False) -> WindowRow | None:
    return await session.get(WindowRow, number, with_for_update=lock or None, populate_existing=lock)


@dataclass(frozen=True, slots=True)
class WindowLine:
    """Of a window what a list shows: its result alone may be 100 MB."""

    number: int
    state: str
    business_day: date | None
    proposed_by: str | None
    approved_by: str | None


async def windows(session: AsyncSession) -> list[WindowLine]:
    """All of them, in order."""
    listed = [getattr(WindowRow, field.name) for field in fields(WindowLine)]
    return [WindowLine(*row) for row in await session.execute(select(*listed).order_by(WindowRow.number))]


async def exceptions_of(session: AsyncSession, ids: Iterable[TransactionId]) -> Sequence[ExceptionRow]:
    """Records of card transactions that windows rejected or left open, in order of device, journal sequence and window."""
    found = select(ExceptionRow).where(among(ExceptionRow.transaction, (str(id_) for id_ in ids)))
    order = (ExceptionRow.device, ExceptionRow.journal_sequence, ExceptionRow.window)
    return (await session.scalars(found.order_by(*order))).all()


async def cleared_files(session: AsyncSession) -> list[Written]:
    """All of them, in order of name."""
    of = (ClearedFileRow.name, ClearedFileRow.rows, ClearedFileRow.sha256)
    rows = await session.execute(select(*of).distinct().order_by(ClearedFileRow.name))
    return [Written(name, count, sha256) for name, count, sha256 in rows]


async def counters_in_force(session: AsyncSession) -> list[Written]:
    """Of each bucket the newest, in order of bucket."""
    newest = select(CounterFileRow).ext(distinct_on(CounterFileRow.bucket))
    rows = await session.scalars(newest.order_by(CounterFileRow.bucket, CounterFileRow.window.desc()))
    return [Written(row.name, row.rows, row.sha256) for row in rows]


async def store_ends(session: AsyncSession, result: WindowResult) -> None:
    """What an approved result leaves for pages and later windows."""
    exceptions = [
        {
            "window": result.number,
            "device": row.decision.record[0],
            "journal_sequence": row.decision.record[1],
            "transaction": str(row.transaction),
            "status": row.decision.status,
            "reason": row.decision.reason,
        }
        for row in result.exceptions
    ]
    cleared = [asdict(file) | {"window": result.number} for file in result.cleared]
    known = set(await counters_in_force(session))
    counters = [
        asdict(file) | {"window": result.number, "bucket": bucket_in(file.name)}
        for file in result.counters
        if file not in known
    ]
    for table, rows in ((ExceptionRow, exceptions), (ClearedFileRow, cleared), (CounterFileRow, counters)):
        if rows:
            await session.execute(insert(table), rows)
