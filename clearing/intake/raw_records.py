"""A single record as it came, for a thread that computes while the database is asked by an event loop."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from backoffice.database import Database
from clearing.intake.queries import batches_of_records
from clearing.intake.store import RawStore
from rulebook.batch import OFFSET
from rulebook.record.record import RECORD_LENGTH


def raw_records(database: Database, store: RawStore, loop: asyncio.AbstractEventLoop) -> Callable[[str, int], bytes]:
    """By device and journal sequence. Never to be called on ``loop`` itself."""

    async def found(device: str, sequence: int) -> bytes:
        async with database.reading() as session:
            (batch,) = await batches_of_records(session, [(device, sequence)])
        with store.path(batch.stored_as).open("rb") as file:
            file.seek(OFFSET + (sequence - batch.first_sequence) * RECORD_LENGTH)
            return file.read(RECORD_LENGTH)

    return lambda device, sequence: asyncio.run_coroutine_threadsafe(found(device, sequence), loop).result()
