"""Batches, records and gaps as stored."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from enum import StrEnum, unique

from sqlalchemy import insert, select, tuple_, update
from sqlalchemy.dialects import postgresql
from sqlalchemy.ext.asyncio import AsyncSession

from clearing.intake.rules import Range, merged
from clearing.intake.tables import BatchRow, ConflictRow, OpenGapRow, RecordRow
from clearing.verification.joining import RecordId
from rulebook.batch import Batch
from rulebook.record import Record


@unique
class Series(StrEnum):
    """What a device counts up."""

    JOURNAL = "journal"
    BATCH = "batch"


async def known_records(session: AsyncSession, batch: Batch) -> dict[int, bytes]:
    """Raw records of the batch's device in its range of sequences."""
    header = batch.header
    rows = await session.execute(
        select(RecordRow.journal_sequence, RecordRow.raw).where(
            RecordRow.device == header.device,
            RecordRow.journal_sequence.between(header.first_sequence, header.last_sequence),
        )
    )
    return {sequence: raw for sequence, raw in rows}  # noqa: C416 - rows of a result are no pairs to mypy


async def store_batch(session: AsyncSession, batch: Batch, raw: bytes, *, window: int, now: datetime) -> None:
    header = batch.header
    await session.execute(
        insert(BatchRow).values(
            device=header.device,
            number=header.number,
            content_hash=batch.content_hash,
            raw=raw,
            first_sequence=header.first_sequence,
            last_sequence=header.last_sequence,
            count=header.count,
            amount_sum_minor=header.amount_sum_minor,
            window=window,
            received_at=now,
        )
    )


async def store_records(session: AsyncSession, records: Sequence[Record], *, window: int) -> None:
    if records:
        await session.execute(insert(RecordRow), [_columns(record, window) for record in records])


async def report_conflict(session: AsyncSession, batch: Batch, raw: bytes, faults: str, *, now: datetime) -> None:
    """Once for each content."""
    statement = postgresql.insert(ConflictRow).values(
        content_hash=batch.content_hash,
        device=batch.header.device,
        number=batch.header.number,
        faults=faults,
        raw=raw,
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
    """Journal sequences of each device that came before ``window`` opened."""
    rows = await session.execute(
        select(BatchRow.device, BatchRow.first_sequence, BatchRow.last_sequence).where(BatchRow.window < window)
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


async def records_of_window(session: AsyncSession, window: int) -> tuple[Record, ...]:
    """In order of their ids."""
    rows = await session.scalars(
        select(RecordRow.raw).where(RecordRow.window == window).order_by(RecordRow.device, RecordRow.journal_sequence)
    )
    return tuple(Record.decode(raw) for raw in rows)


async def records_named(session: AsyncSession, ids: Iterable[RecordId]) -> tuple[Record, ...]:
    """The stored ones of ``ids``, in order."""
    wanted = sorted(set(ids))
    if not wanted:
        return ()
    rows = await session.scalars(
        select(RecordRow.raw)
        .where(tuple_(RecordRow.device, RecordRow.journal_sequence).in_(wanted))
        .order_by(RecordRow.device, RecordRow.journal_sequence)
    )
    return tuple(Record.decode(raw) for raw in rows)


async def batches(session: AsyncSession, window: int | None = None) -> Sequence[BatchRow]:
    """Of one window or all, in order of device and number."""
    found = select(BatchRow).order_by(BatchRow.device, BatchRow.number)
    return (await session.scalars(found if window is None else found.where(BatchRow.window == window))).all()


async def conflicts(session: AsyncSession) -> Sequence[ConflictRow]:
    return (await session.scalars(select(ConflictRow).order_by(ConflictRow.device, ConflictRow.number))).all()


def _columns(record: Record, window: int) -> dict[str, object]:
    return {
        "device": record.device,
        "journal_sequence": record.journal_sequence,
        "raw": record.encode(),
        "kind": record.kind.name,
        "event": record.event.name,
        "outcome": record.outcome.name,
        "issuer": record.issuer,
        "serial": record.serial,
        "purse": record.purse,
        "card_sequence": record.card_sequence,
        "amount_minor": record.amount_minor,
        "window": window,
    }
