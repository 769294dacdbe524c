"""Taking many batches of many devices in one transaction: each whole or refused whole, as ``take_batch`` does one by one.

What costs a batch most is neither its records nor its signature but its statements and its commit; a set has them once.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime
from typing import TypeAlias

from sqlalchemy.ext.asyncio import AsyncSession

from clearing.devices.rules import is_signed
from clearing.intake import set_queries
from clearing.intake.service import Conflict
from clearing.intake.set_queries import NewBatch
from clearing.intake.standing import Standing, gaps_of
from clearing.intake.store import RawStore
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
    batches = [batch for batch in read if isinstance(batch, BatchRows)]
    standing = await set_queries.standing_of(session, store, [batch.header for batch in batches])
    signed = await asyncio.to_thread(lambda: [isinstance(b, Faults) or _is_signed(b, standing) for b in read])
    answers: list[Answer] = []
    new: list[NewBatch] = []
    conflicts: list[tuple[NewBatch, Conflict]] = []
    for raw, batch, right in zip(raws, read, signed, strict=True):
        if isinstance(batch, Faults):
            answers.append(batch)
            continue
        answer = _judged(batch, right, standing[batch.header.device])
        answers.append(answer)
        if isinstance(answer, Conflict):
            conflicts.append((NewBatch(batch, raw), answer))
        elif isinstance(answer, BatchReceipt) and not answer.repeated:
            new.append(NewBatch(batch, raw))
    await _kept(store, [*new, *(batch for batch, _ in conflicts)])
    await set_queries.store(session, new, window=window, now=now)
    await set_queries.report(session, [(batch, conflict.faults) for batch, conflict in conflicts], now=now)
    taken = {batch.rows.header.device for batch in new}
    wanted = gaps_of({name: one for name, one in standing.items() if name in taken})
    await set_queries.follow_gaps(session, wanted, now=now)
    return answers


def _read(raw: bytes) -> BatchRows | Faults:
    try:
        return unseal_rows(raw)
    except MalformedBatch as error:
        return Faults(error.faults)


def _is_signed(batch: BatchRows, standing: dict[str, Standing]) -> bool:
    key = standing[batch.header.device].public_key
    return key is not None and is_signed(key, batch.signature, bytes(batch.signed))


def _judged(batch: BatchRows, signed: bool, standing: Standing) -> Answer:
    """What is taken is known to the next one of the same set."""
    header = batch.header
    faults = []
    if header.number < 1:
        faults.append(f"number is {header.number}; batches count from 1")
    if header.first_sequence < 1:
        faults.append(f"first_sequence is {header.first_sequence}; a journal counts from 1")
    if not signed:
        faults.append("signature is not the enrolled device's key's over header and records")
    if faults:
        return Faults(tuple(faults))
    repeated = standing.known.get(header.number) == batch.content_hash
    if not repeated:
        if conflicts := standing.conflicts(batch):
            return Conflict(tuple(conflicts))
        standing.take(batch)
    return BatchReceipt(device=header.device, number=header.number, content_hash=batch.content_hash, repeated=repeated)


async def _kept(store: RawStore, batches: Sequence[NewBatch]) -> None:
    """Durable before the rows that name them; the files wait for the disk together."""
    loop = asyncio.get_running_loop()
    with ThreadPoolExecutor(WRITERS) as writers:
        kept = await asyncio.gather(*(loop.run_in_executor(writers, store.keep, batch.raw) for batch in batches))
    for batch, one in zip(batches, kept, strict=True):
        batch.stored_as = one.sha256
