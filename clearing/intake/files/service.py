"""Taking an operator's file: whole, or refused with every fault; a repeat changes nothing."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from pathlib import Path

from sqlalchemy import func, select, text
from sqlalchemy.ext.asyncio import AsyncSession

from backoffice.problems import Refused
from clearing.devices.queries import known_devices
from clearing.intake import queries
from clearing.intake.files.batches import FileBatch, as_batches, of_others, unlike
from clearing.intake.files.faults import FileFaults
from clearing.intake.files.layout import layout_named, layout_names
from clearing.intake.files.ours import csv_layout, read_parquet
from clearing.intake.files.reading import read_operators_file
from clearing.intake.files.tables import OperatorsFileRow
from clearing.intake.queries import Series
from clearing.intake.rules import missing
from clearing.intake.service import Conflict
from clearing.intake.store import RawStore
from clearing.intake.tables import BatchRow
from rulebook.batch import OFFSET
from rulebook.messages.base import Hex, Message
from rulebook.record.columns import Rows, columns_of
from rulebook.record.record import RECORD_LENGTH

OWN_CSV, OWN_PARQUET = "citycard-csv", "citycard-parquet"
_COPIED_BYTES = 1024 * 1024


class FileReceipt(Message):
    """Clearing has the file durably. ``repeated``: it had it before."""

    content_hash: Hex
    operator: str
    records: int
    devices: int
    amount_sum_minor: int
    repeated: bool


def layouts() -> tuple[str, ...]:
    """What a file can be laid out by."""
    return (OWN_CSV, OWN_PARQUET, *layout_names())


async def take_file(
    session: AsyncSession,
    store: RawStore,
    path: Path,
    *,
    layout: str,
    operator: str,
    by: str,
    window: int,
    now: datetime,
) -> FileReceipt | Conflict:
    """``operator`` is the account's that handed it in, ``path`` stays. Raises ``Refused`` with every fault when nothing can
    be taken."""
    batches = await asyncio.to_thread(_read, path, layout)
    operators = {name: device.operator for name, device in (await known_devices(session)).items()}
    if faults := of_others(batches, operators, operator):
        raise _refused(FileFaults(faults))
    stored_as = await asyncio.to_thread(_kept, store, path)
    # One device after the other by name, so that two files do not wait for each other.
    new = [batch for batch in batches if not await _known(session, batch)]
    if faults_of := await _conflicts(session, store, new, stored_as, now=now):
        return Conflict(tuple(faults_of))
    for batch in new:
        await _store(session, store, batch, window=window, now=now)
    for device in sorted({batch.header.device for batch in new}):
        gaps = missing(await queries.coverage(session, device, Series.JOURNAL))
        await queries.follow_gaps(session, device, Series.JOURNAL, gaps, now=now)
    return await _receipt(session, batches, stored_as, layout=layout, operator=operator, by=by, window=window, now=now)


def _read(path: Path, layout: str) -> tuple[FileBatch, ...]:
    try:
        return as_batches(_rows(path, layout))
    except FileFaults as error:
        raise _refused(error) from error


def _rows(path: Path, layout: str) -> Rows:
    if layout == OWN_PARQUET:
        return read_parquet(path)
    return read_operators_file(path, csv_layout() if layout == OWN_CSV else layout_named(layout))


def _refused(error: FileFaults) -> Refused:
    errors = [{"row": fault.row, "field": fault.column, "message": fault.problem} for fault in error.faults]
    detail = f"{len(errors) + error.unlisted} faults" + (f", {len(errors)} of them named" if error.unlisted else "")
    return Refused(422, "The file is refused whole", detail, reason="malformed_file", errors=errors)


def _kept(store: RawStore, path: Path) -> bytes:
    with path.open("rb") as file, store.begin() as incoming:
        while part := file.read(_COPIED_BYTES):
            incoming.write(part)
        return incoming.keep().sha256


async def _known(session: AsyncSession, batch: FileBatch) -> bool:
    """Locks the device's batches."""
    lock = text("SELECT pg_advisory_xact_lock(727005, hashtext(:device))")  # as intake's
    await session.execute(lock, {"device": batch.header.device})
    known = select(BatchRow.number).where(BatchRow.content_hash == batch.rows.content_hash)
    return await session.scalar(known) is not None


async def _conflicts(
    session: AsyncSession, store: RawStore, batches: Sequence[FileBatch], stored_as: bytes, *, now: datetime
) -> list[str]:
    """Records that are known with other content: reported, one report for each stretch."""
    found: list[str] = []
    for batch in batches:
        device = batch.header.device
        differing = set[int]()
        for row in await queries.overlapping(session, batch.header):
            differing.update(unlike(batch.rows.rows, _records_of(row, store)))
        faults = [f"record {number} of {device} is known with other content" for number in sorted(differing)]
        if faults:
            await queries.report_conflict(session, batch.rows, stored_as, "\n".join(faults), now=now)
        found += faults
    return found


def _records_of(row: BatchRow, store: RawStore) -> Rows:
    with store.path(row.stored_as).open("rb") as file:
        file.seek(OFFSET)
        return columns_of(file.read(row.count * RECORD_LENGTH))


async def _store(session: AsyncSession, store: RawStore, batch: FileBatch, *, window: int, now: datetime) -> None:
    """Numbered below zero: the device's own batches count from 1 and are followed for gaps."""
    device = batch.header.device
    lowest = await session.scalar(select(func.min(BatchRow.number)).where(BatchRow.device == device))
    rows = replace(batch.rows, header=replace(batch.header, number=min(lowest or 0, 0) - 1))
    kept = await asyncio.to_thread(store.keep, batch.image)
    await queries.store_batch(session, rows, kept.sha256, window=window, now=now)


async def _receipt(
    session: AsyncSession,
    batches: Sequence[FileBatch],
    stored_as: bytes,
    *,
    layout: str,
    operator: str,
    by: str,
    window: int,
    now: datetime,
) -> FileReceipt:
    known = await session.get(OperatorsFileRow, stored_as)
    row = known or OperatorsFileRow(
        stored_as=stored_as,
        operator=operator,
        by=by,
        layout=layout,
        records=sum(batch.header.count for batch in batches),
        devices=len({batch.header.device for batch in batches}),
        amount_sum_minor=sum(batch.header.amount_sum_minor for batch in batches),
        window=window,
        received_at=now,
    )
    session.add(row)
    await session.flush()
    return FileReceipt(
        content_hash=row.stored_as,
        operator=row.operator,
        records=row.records,
        devices=row.devices,
        amount_sum_minor=row.amount_sum_minor,
        repeated=known is not None,
    )
