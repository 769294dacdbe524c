"""Taking a batch: whole, or refused with every fault; a repeat changes nothing."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

import numpy as np
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from backoffice.problems import Refused
from clearing.devices.rules import is_signed
from clearing.devices.tables import DeviceRow
from clearing.intake import queries
from clearing.intake.queries import Series
from clearing.intake.rules import missing
from clearing.intake.store import RawStore
from clearing.intake.tables import BatchRow
from rulebook.batch import OFFSET, BatchRows, MalformedBatch, unseal_rows
from rulebook.messages.devices import BatchReceipt
from rulebook.record.columns import columns_of
from rulebook.record.record import RECORD_LENGTH


@dataclass(frozen=True, slots=True)
class Conflict:
    """Something known came again with other content. Nothing was taken; the upload is kept and reported."""

    faults: tuple[str, ...]


async def take_batch(
    session: AsyncSession, store: RawStore, raw: bytes, *, device: str, window: int, now: datetime
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
    # Before the row that names it: a row without its file could never be cleared, a file without a row harms nobody.
    stored_as = store.keep(raw).sha256
    if faults := _conflicts(batch, known, await queries.overlapping(session, header), store):
        await queries.report_conflict(session, batch, stored_as, "\n".join(faults), now=now)
        return Conflict(tuple(faults))
    await queries.store_batch(session, batch, stored_as, window=window, now=now)
    for series in Series:
        gaps = missing(await queries.coverage(session, device, series))
        await queries.follow_gaps(session, device, series, gaps, now=now)
    return _receipt(batch, repeated=False)


def _read(raw: bytes) -> BatchRows:
    try:
        return unseal_rows(raw)
    except MalformedBatch as error:
        raise _refused(error.faults) from error


async def _lock_device(session: AsyncSession, device: str) -> DeviceRow | None:
    """Two uploads of one device wait for each other: gaps are computed over all of its batches."""
    await session.execute(text("SELECT pg_advisory_xact_lock(727005, hashtext(:device))"), {"device": device})
    return await session.get(DeviceRow, device)


def _faults(batch: BatchRows, device: str, row: DeviceRow | None) -> list[str]:
    faults = []
    if batch.header.device != device:
        faults.append(f"device is {batch.header.device}, the request is signed by {device}")
    if batch.header.number < 1:
        faults.append(f"number is {batch.header.number}; batches count from 1")
    if batch.header.first_sequence < 1:
        faults.append(f"first_sequence is {batch.header.first_sequence}; a journal counts from 1")
    if row is None or row.public_key is None or not is_signed(row.public_key, batch.signature, bytes(batch.signed)):
        faults.append("signature is not the enrolled device's key's over header and records")
    return faults


def _conflicts(batch: BatchRows, known: BatchRow | None, earlier: Sequence[BatchRow], store: RawStore) -> list[str]:
    header = batch.header
    faults = []
    if known is not None:
        faults.append(f"batch {header.number} of {header.device} is known with other content")
    differing = {number for row in earlier for number in _differing(batch, row, store)}
    faults += [f"record {number} of {header.device} is known with other content" for number in sorted(differing)]
    return faults


def _differing(batch: BatchRows, earlier: BatchRow, store: RawStore) -> list[int]:
    """Journal sequences of which the two batches say different things."""
    first = max(batch.header.first_sequence, earlier.first_sequence)
    count = min(batch.header.last_sequence, earlier.last_sequence) - first + 1
    with store.path(earlier.stored_as).open("rb") as file:
        file.seek(OFFSET + (first - earlier.first_sequence) * RECORD_LENGTH)
        before = columns_of(file.read(count * RECORD_LENGTH))
    start = first - batch.header.first_sequence
    whole = f"V{RECORD_LENGTH}"
    unlike = before.view(whole) != batch.rows[start : start + count].view(whole)
    return [first + row for row in np.flatnonzero(unlike).tolist()]


def _receipt(batch: BatchRows, *, repeated: bool) -> BatchReceipt:
    header = batch.header
    return BatchReceipt(device=header.device, number=header.number, content_hash=batch.content_hash, repeated=repeated)


def _refused(faults: Sequence[str]) -> Refused:
    errors = [{"field": "batch", "message": fault} for fault in faults]
    return Refused(422, "The batch is refused whole", f"{len(faults)} faults", reason="malformed_batch", errors=errors)
