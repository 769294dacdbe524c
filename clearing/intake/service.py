"""Taking a batch: whole, or refused with every fault; a repeat changes nothing."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from backoffice.problems import Refused
from clearing.devices.rules import is_signed
from clearing.devices.tables import DeviceRow
from clearing.intake import queries
from clearing.intake.queries import Series
from clearing.intake.rules import missing
from clearing.intake.tables import BatchRow
from rulebook.batch import Batch, MalformedBatch, unseal
from rulebook.messages.devices import BatchReceipt
from rulebook.record import Record


@dataclass(frozen=True, slots=True)
class Conflict:
    """Something known came again with other content. Nothing was taken; the upload is kept and reported."""

    faults: tuple[str, ...]


async def take_batch(
    session: AsyncSession, raw: bytes, *, device: str, window: int, now: datetime
) -> BatchReceipt | Conflict:
    """``device`` is the one that signed the request. Raises ``Refused`` with every fault when nothing can be taken."""
    batch = _read(raw)
    row = await _lock_device(session, device)
    if faults := _faults(batch, device, row):
        raise _refused(faults)
    header = batch.header
    known = await session.get(BatchRow, (device, header.number))
    if known is not None and known.content_hash == batch.content_hash:
        return _receipt(batch, repeated=True)
    stored = await queries.known_records(session, batch)
    if faults := _conflicts(batch, known, stored):
        await queries.report_conflict(session, batch, raw, "\n".join(faults), now=now)
        return Conflict(tuple(faults))
    await queries.store_batch(session, batch, raw, window=window, now=now)
    await queries.store_records(session, _new(batch, stored), window=window)
    for series in Series:
        gaps = missing(await queries.coverage(session, device, series))
        await queries.follow_gaps(session, device, series, gaps, now=now)
    return _receipt(batch, repeated=False)


def _read(raw: bytes) -> Batch:
    try:
        return unseal(raw)
    except MalformedBatch as error:
        raise _refused(error.faults) from error


async def _lock_device(session: AsyncSession, device: str) -> DeviceRow | None:
    """Two uploads of one device wait for each other: gaps are computed over all of its batches."""
    await session.execute(text("SELECT pg_advisory_xact_lock(727005, hashtext(:device))"), {"device": device})
    return await session.get(DeviceRow, device)


def _faults(batch: Batch, device: str, row: DeviceRow | None) -> list[str]:
    faults = []
    if batch.header.device != device:
        faults.append(f"device is {batch.header.device}, the request is signed by {device}")
    if batch.header.number < 1:
        faults.append(f"number is {batch.header.number}; batches count from 1")
    if batch.header.first_sequence < 1:
        faults.append(f"first_sequence is {batch.header.first_sequence}; a journal counts from 1")
    if row is None or row.public_key is None or not is_signed(row.public_key, batch.signature, batch.signed):
        faults.append("signature is not the enrolled device's key's over header and records")
    return faults


def _conflicts(batch: Batch, known: BatchRow | None, stored: dict[int, bytes]) -> list[str]:
    faults = []
    if known is not None:
        faults.append(f"batch {batch.header.number} of {batch.header.device} is known with other content")
    faults += [
        f"record {record.journal_sequence} of {record.device} is known with other content"
        for record in batch.records
        if stored.get(record.journal_sequence, record.encode()) != record.encode()
    ]
    return faults


def _new(batch: Batch, stored: dict[int, bytes]) -> Sequence[Record]:
    return [record for record in batch.records if record.journal_sequence not in stored]


def _receipt(batch: Batch, *, repeated: bool) -> BatchReceipt:
    header = batch.header
    return BatchReceipt(device=header.device, number=header.number, content_hash=batch.content_hash, repeated=repeated)


def _refused(faults: Sequence[str]) -> Refused:
    errors = [{"field": "batch", "message": fault} for fault in faults]
    return Refused(422, "The batch is refused whole", f"{len(faults)} faults", reason="malformed_batch", errors=errors)
