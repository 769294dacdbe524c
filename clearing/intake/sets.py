"""Taking many batches of many devices in one transaction: each whole or refused whole, as ``take_batch`` does one by one.

What costs a batch most is neither its records nor its signature but its statements and its commit; a set has them once.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime
from typing import TypeAlias

from sqlalchemy.ext.asyncio import AsyncSession

from clearing.devices.rules import is_signed
from clearing.intake import set_queries
from clearing.intake.service import Conflict
from clearing.intake.set_queries import NewBatch
from clearing.intake.standing import Standing, gaps_of
from clearing.intake.store import Kept, RawStore
from rulebook.batch import BatchRows, MalformedBatch, unseal_rows
from rulebook.messages.devices import BatchReceipt

WRITERS = 8
"""Files that wait for the disk at the same time. Ours."""


@dataclass(frozen=True, slots=True)
class Faults:
    """The batch is refused whole."""

    faults: tuple[str, ...]


Answer: TypeAlias = BatchReceipt | Conflict | Faults


async def take_batches(
    session: AsyncSession, store: RawStore, raws: Sequence[bytes], *, window: int, now: datetime
) -> list[Answer]:
    """What became of each, in their order. A batch is its device's by its own signature, whoever brings it."""
    read = await asyncio.to_thread(lambda: [_read(raw) for raw in raws])
    headers = [batch.header for batch in read if isinstance(batch, BatchRows)]
    standing = await set_queries.standing_of(session, store, headers)
    with ThreadPoolExecutor(WRITERS) as writers:
        ends = await asyncio.to_thread(
            lambda: [_end(*one, standing, store, writers) for one in zip(raws, read, strict=True)]
        )
        for end in ends:
            if end.kept is not None:
                end.stored_as = (await asyncio.wrap_future(end.kept)).sha256
    new = [end.batch() for end in ends if end.is_new]
    await set_queries.store(session, new, window=window, now=now)
    conflicts = [(end.batch(), end.answer.faults) for end in ends if isinstance(end.answer, Conflict)]
    await set_queries.report(session, conflicts, now=now)
    taken = {batch.rows.header.device for batch in new}
    wanted = gaps_of({name: one for name, one in standing.items() if name in taken})
    await set_queries.follow_gaps(session, wanted, now=now)
    return [end.answer for end in ends]


@dataclass(slots=True)
class _End:
    """What becomes of a batch. ``kept``: the file that is on its way to the disk."""

    answer: Answer
    rows: BatchRows | None = None
    kept: Future[Kept] | None = None
    stored_as: bytes = b""

    @property
    def is_new(self) -> bool:
        return isinstance(self.answer, BatchReceipt) and not self.answer.repeated

    def batch(self) -> NewBatch:
        assert self.rows is not None
        return NewBatch(self.rows, self.stored_as)


def _end(
    raw: bytes, batch: BatchRows | Faults, standing: dict[str, Standing], store: RawStore, writers: ThreadPoolExecutor
) -> _End:
    """Its file waits for the disk while the next ones are verified; it must be there before the row that names it."""
    if isinstance(batch, Faults):
        return _End(batch)
    end = _End(_judged(batch, standing[batch.header.device]), batch)
    if end.is_new or isinstance(end.answer, Conflict):
        end.kept = writers.submit(store.keep, raw)
    return end


def _read(raw: bytes) -> BatchRows | Faults:
    try:
        return unseal_rows(raw)
    except MalformedBatch as error:
        return Faults(error.faults)


def _judged(batch: BatchRows, standing: Standing) -> Answer:
    """What is taken is known to the next one of the same set."""
    header, key = batch.header, standing.public_key
    faults = []
    if header.number < 1:
        faults.append(f"number is {header.number}; batches count from 1")
    if header.first_sequence < 1:
        faults.append(f"first_sequence is {header.first_sequence}; a journal counts from 1")
    if key is None or not is_signed(key, batch.signature, bytes(batch.signed)):
        faults.append("signature is not the enrolled device's key's over header and records")
    if faults:
        return Faults(tuple(faults))
    repeated = standing.known.get(header.number) == batch.content_hash
    if not repeated:
        if conflicts := standing.conflicts(batch):
            return Conflict(tuple(conflicts))
        standing.take(batch)
    return BatchReceipt(device=header.device, number=header.number, content_hash=batch.content_hash, repeated=repeated)
