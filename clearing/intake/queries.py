"""Batches and gaps as stored."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from enum import StrEnum, unique

import numpy as np
from sqlalchemy import ARRAY, BigInteger, String, cast, func, insert, select, tuple_, update
from sqlalchemy.dialects import postgresql
from sqlalchemy.ext.asyncio import AsyncSession

from clearing.intake.rules import Range, merged
from clearing.intake.tables import BatchRow, ConflictRow, LoadRecordRow, OpenGapRow
from clearing.verification.joining import RecordId
from rulebook.batch import BatchHeader, BatchRows
from rulebook.record import Event, Kind, Outcome, Record


@unique
class Series(StrEnum):
    """What a device counts up."""

    JOURNAL = "journal"
    BATCH = "batch"


async def overlapping(session: AsyncSession, header: BatchHeader) -> Sequence[BatchRow]:
    """Batches of the device that hold some of the same journal sequences."""
    found = select(BatchRow).where(
        BatchRow.device == header.device,
        BatchRow.first_sequence <= header.last_sequence,
        BatchRow.last_sequence >= header.first_sequence,
    )
    return (await session.scalars(found.order_by(BatchRow.number))).all()


async def store_batch(session: AsyncSession, batch: BatchRows, stored_as: bytes, *, window: int, now: datetime) -> None:
    header = batch.header
    await session.execute(
        insert(BatchRow).values(
            device=header.device,
            number=header.number,
            content_hash=batch.content_hash,
            stored_as=stored_as,
            first_sequence=header.first_sequence,
            last_sequence=header.last_sequence,
            count=header.count,
            amount_sum_minor=header.amount_sum_minor,
            window=window,
            received_at=now,
        )
    )
    loads = [_load_record(row, header.device, window) for row in batch.rows[batch.rows["event"] == Event.LOAD]]
    if loads:
        # A record that came before in another batch is the same.
        await session.execute(postgresql.insert(LoadRecordRow).on_conflict_do_nothing(), loads)


def _load_record(row: np.void, device: str, window: int) -> dict[str, object]:
    record = Record.decode(row.tobytes())
    proves = record.kind is not Kind.INTENT and record.outcome is Outcome.DONE
    return {
        "device": device,
        "journal_sequence": record.journal_sequence,
        "issuer": record.issuer,
        "serial": record.serial,
        "purse": record.purse,
        "online_sequence": record.card_sequence,
        "tac": record.tac if proves else None,
        "window": window,
    }


async def report_conflict(
    session: AsyncSession, batch: BatchRows, stored_as: bytes, faults: str, *, now: datetime
) -> None:
    """Once for each content."""
    statement = postgresql.insert(ConflictRow).values(
        content_hash=batch.content_hash,
        device=batch.header.device,
        number=batch.header.number,
        faults=faults,
        stored_as=stored_as,
        received_at=now,
    )
    await session.execute(statement.on_conflict_do_nothing())


async def coverage(session: AsyncSession, device: str, series: Series) -> tuple[Range, ...]:
    """The numbers of ``series`` that have come from ``device``."""
    columns = {
        Series.JOURNAL: (BatchRow.first_sequence, BatchRow.last_sequence),
        Series.BATCH: (BatchRow.number, BatchRow.number),
    }[series]
    rows = await session.execute(select(*columns).where(BatchRow.device == device))
    return merged((first, last) for first, last in rows)


async def journals_before(session: AsyncSession, window: int) -> dict[str, tuple[Range, ...]]:
    """Journal sequences that came before ``window`` opened, of each device that sent something in it."""
    sent = select(BatchRow.device).where(BatchRow.window == window)
    rows = await session.execute(
        select(BatchRow.device, BatchRow.first_sequence, BatchRow.last_sequence).where(
            BatchRow.window < window, BatchRow.device.in_(sent)
        )
    )
    ranges: dict[str, list[Range]] = {}
    for device, first, last in rows:
        ranges.setdefault(device, []).append((first, last))
    return {device: merged(of_device) for device, of_device in ranges.items()}


async def follow_gaps(
    session: AsyncSession, device: str, series: Series, gaps: Iterable[Range], *, now: datetime
) -> None:
    """Make the open items of ``device`` say exactly ``gaps``."""
    standing = await session.execute(
        select(OpenGapRow.number, OpenGapRow.first, OpenGapRow.last).where(
            OpenGapRow.device == device, OpenGapRow.series == series, OpenGapRow.closed_at.is_(None)
        )
    )
    open_ = {(first, last): number for number, first, last in standing}
    wanted = set(gaps)
    filled = [number for gap, number in open_.items() if gap not in wanted]
    if filled:
        await session.execute(update(OpenGapRow).where(OpenGapRow.number.in_(filled)).values(closed_at=now))
    new = sorted(wanted - set(open_))
    if new:
        rows = [{"device": device, "series": series, "first": f, "last": last, "opened_at": now} for f, last in new]
        await session.execute(insert(OpenGapRow), rows)


async def open_gaps(session: AsyncSession) -> Sequence[OpenGapRow]:
    found = select(OpenGapRow).where(OpenGapRow.closed_at.is_(None))
    return (await session.scalars(found.order_by(OpenGapRow.device, OpenGapRow.series, OpenGapRow.first))).all()


async def batches_of_records(session: AsyncSession, ids: Iterable[RecordId]) -> Sequence[BatchRow]:
    """For each of ``ids`` the first batch that holds it, in order of device and number."""
    wanted = sorted(set(ids))
    named = (
        func.unnest(
            cast([device for device, _ in wanted], ARRAY(String)),
            cast([number for _, number in wanted], ARRAY(BigInteger)),
        )
        .table_valued("device", "sequence")
        .render_derived()
    )
    holds = (BatchRow.device == named.c.device) & named.c.sequence.between(
        BatchRow.first_sequence, BatchRow.last_sequence
    )
    first = (
        select(BatchRow.device, func.min(BatchRow.number).label("number"))
        .join(named, holds)
        .group_by(named.c.device, named.c.sequence, BatchRow.device)
        .subquery()
    )
    found = select(BatchRow).where(tuple_(BatchRow.device, BatchRow.number).in_(select(first.c.device, first.c.number)))
    return (await session.scalars(found.order_by(BatchRow.device, BatchRow.number))).all()


async def count_batches(session: AsyncSession, window: int) -> tuple[int, int]:
    """Batches of a window, and the records in them."""
    found = select(func.count(), func.coalesce(func.sum(BatchRow.count), 0)).where(BatchRow.window == window)
    batches, records = (await session.execute(found)).one()
    return batches, records


async def batches(session: AsyncSession, window: int | None = None) -> Sequence[BatchRow]:
    """Of one window or all, in order of device and number."""
    found = select(BatchRow).order_by(BatchRow.device, BatchRow.number)
    return (await session.scalars(found if window is None else found.where(BatchRow.window == window))).all()


async def newest_batches(
    session: AsyncSession, limit: int, *, window: int | None = None, device: str = ""
) -> Sequence[BatchRow]:
    """Of the last windows first; of one window and one device where they are named."""
    found = select(BatchRow).order_by(BatchRow.window.desc(), BatchRow.device, BatchRow.number).limit(limit)
    if window is not None:
        found = found.where(BatchRow.window == window)
    return (await session.scalars(found.where(BatchRow.device == device) if device else found)).all()


async def conflicts(session: AsyncSession) -> Sequence[ConflictRow]:
    return (await session.scalars(select(ConflictRow).order_by(ConflictRow.device, ConflictRow.number))).all()
