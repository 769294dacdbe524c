"""A set of batches and the database: few statements, however many there are."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import Any

from sqlalchemy import ARRAY, BigInteger, String, cast, func, insert, select, text, tuple_, update
from sqlalchemy.dialects import postgresql
from sqlalchemy.ext.asyncio import AsyncSession

from clearing.devices.life import DeviceState
from clearing.devices.tables import DeviceRow
from clearing.intake.queries import Series, _load_record
from clearing.intake.rules import Range
from clearing.intake.standing import Earlier, Gaps, Standing
from clearing.intake.store import RawStore
from clearing.intake.tables import BatchRow, ConflictRow, LoadRecordRow, OpenGapRow
from rulebook.batch import OFFSET, BatchHeader, BatchRows
from rulebook.record import Event
from rulebook.record.columns import Rows, columns_of
from rulebook.record.record import RECORD_LENGTH


@dataclass(frozen=True, slots=True)
class NewBatch:
    """``stored_as``: its name in the raw store."""

    rows: BatchRows
    stored_as: bytes


async def standing_of(session: AsyncSession, store: RawStore, headers: Collection[BatchHeader]) -> dict[str, Standing]:
    """Of each device in ``headers``, locked as ``clearing.intake.service`` locks one."""
    devices = sorted({header.device for header in headers})
    # In this order everywhere, so that two sets do not wait for each other.
    lock = "SELECT count(pg_advisory_xact_lock(727005, hashtext(d))) FROM unnest(CAST(:devices AS varchar[])) d"
    await session.execute(text(lock), {"devices": devices})
    keys = await session.execute(
        select(DeviceRow.device, DeviceRow.public_key).where(
            DeviceRow.device.in_(devices), DeviceRow.state == DeviceState.ENROLLED
        )
    )
    public = {device: key for device, key in keys}  # noqa: C416 (rows are no pairs to mypy)
    standing = {device: Standing(public.get(device)) for device in devices}
    await _count(session, standing)
    await _known(session, standing, headers)
    await _earlier(session, store, standing, headers)
    return standing


async def store(session: AsyncSession, batches: Sequence[NewBatch], *, window: int, now: datetime) -> None:
    rows = [
        {
            "device": batch.rows.header.device,
            "number": batch.rows.header.number,
            "content_hash": batch.rows.content_hash,
            "stored_as": batch.stored_as,
            "first_sequence": batch.rows.header.first_sequence,
            "last_sequence": batch.rows.header.last_sequence,
            "count": batch.rows.header.count,
            "amount_sum_minor": batch.rows.header.amount_sum_minor,
            "window": window,
            "received_at": now,
        }
        for batch in batches
    ]
    if rows:
        await session.execute(insert(BatchRow), rows)
    loads = [
        _load_record(row, batch.rows.header.device, window)
        for batch in batches
        for row in batch.rows.rows[batch.rows.rows["event"] == Event.LOAD]
    ]
    if loads:
        await session.execute(postgresql.insert(LoadRecordRow).on_conflict_do_nothing(), loads)


async def report(session: AsyncSession, conflicts: Iterable[tuple[NewBatch, Sequence[str]]], *, now: datetime) -> None:
    """Once for each content."""
    rows = [
        {
            "content_hash": batch.rows.content_hash,
            "device": batch.rows.header.device,
            "number": batch.rows.header.number,
            "faults": "\n".join(faults),
            "stored_as": batch.stored_as,
            "received_at": now,
        }
        for batch, faults in conflicts
    ]
    if rows:
        await session.execute(postgresql.insert(ConflictRow).on_conflict_do_nothing(), rows)


async def follow_gaps(session: AsyncSession, wanted: Gaps, *, now: datetime) -> None:
    """Make the open items of the devices in ``wanted`` say exactly that."""
    found = await _open_gaps(session, {device for device, _ in wanted})
    standing = {(device, series, first, last): number for device, series, first, last, number in found}
    now_missing = {(device, series, *gap) for (device, series), gaps in wanted.items() for gap in gaps}
    filled = [number for gap, number in standing.items() if gap not in now_missing]
    if filled:
        of_filled = OpenGapRow.number == func.any(cast(filled, ARRAY(BigInteger)))
        await session.execute(update(OpenGapRow).where(of_filled).values(closed_at=now))
    new = sorted(now_missing - set(standing))
    if new:
        names = ("device", "series", "first", "last")
        rows = [dict(zip(names, gap, strict=True)) | {"opened_at": now} for gap in new]
        await session.execute(insert(OpenGapRow), rows)


async def _count(session: AsyncSession, standing: dict[str, Standing]) -> None:
    """What has come of each series: the highest number, and the open gaps, which are kept in step with it."""
    highest = select(BatchRow.device, func.max(BatchRow.last_sequence), func.max(BatchRow.number))
    for device, journal, number in await session.execute(
        highest.where(BatchRow.device.in_(standing)).group_by(BatchRow.device)
    ):
        standing[device].counted[Series.JOURNAL].highest = journal
        standing[device].counted[Series.BATCH].highest = max(number, 0)  # below zero: out of an operator's file
    gaps: dict[tuple[str, Series], list[Range]] = {}
    for device, series, first, last, _ in await _open_gaps(session, standing):
        gaps.setdefault((device, series), []).append((first, last))
    for (device, series), missing in gaps.items():
        standing[device].counted[series].missing = tuple(sorted(missing))


async def _open_gaps(session: AsyncSession, devices: Collection[str]) -> list[tuple[str, Series, int, int, int]]:
    found = select(OpenGapRow.device, OpenGapRow.series, OpenGapRow.first, OpenGapRow.last, OpenGapRow.number)
    rows = await session.execute(found.where(OpenGapRow.device.in_(devices), OpenGapRow.closed_at.is_(None)))
    return [(device, Series(series), first, last, number) for device, series, first, last, number in rows]


async def _known(session: AsyncSession, standing: dict[str, Standing], headers: Collection[BatchHeader]) -> None:
    wanted = select(
        func.unnest(cast([header.device for header in headers], ARRAY(String))),
        func.unnest(cast([header.number for header in headers], ARRAY(BigInteger))),
    )
    found = select(BatchRow.device, BatchRow.number, BatchRow.content_hash)
    for device, number, content_hash in await session.execute(
        found.where(tuple_(BatchRow.device, BatchRow.number).in_(wanted))
    ):
        standing[device].known[number] = content_hash


async def _earlier(
    session: AsyncSession, store: RawStore, standing: dict[str, Standing], headers: Iterable[BatchHeader]
) -> None:
    """Stretches that overlap one of ``headers``; most go on where the last one ended and need not be looked for."""
    behind = [
        header for header in headers if header.first_sequence <= standing[header.device].counted[Series.JOURNAL].highest
    ]
    if not behind:
        return
    new = (
        func.unnest(
            cast([header.device for header in behind], ARRAY(String)),
            cast([header.first_sequence for header in behind], ARRAY(BigInteger)),
            cast([header.last_sequence for header in behind], ARRAY(BigInteger)),
        )
        .table_valued("device", "first", "last")
        .render_derived()
    )
    overlaps = (BatchRow.device == new.c.device) & (BatchRow.first_sequence <= new.c.last)
    of = (BatchRow.device, BatchRow.first_sequence, BatchRow.last_sequence, BatchRow.stored_as)
    found: Any = select(*of).distinct().join(new, overlaps & (BatchRow.last_sequence >= new.c.first))
    for device, first, last, stored_as in await session.execute(found):
        read = partial(_records_of, store, stored_as, last - first + 1)
        standing[device].earlier.append(Earlier(first, last, read))


def _records_of(store: RawStore, stored_as: bytes, count: int) -> Rows:
    with store.path(stored_as).open("rb") as file:
        file.seek(OFFSET)
        return columns_of(file.read(count * RECORD_LENGTH))
