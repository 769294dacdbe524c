"""What the exchange asks of our own windows: the claims of closed ones, and what was paid here."""

from __future__ import annotations

import asyncio
from bisect import bisect_left
from collections.abc import Collection, Iterable, Sequence
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from clearing.day.kept import KeptRegister, by_bucket
from clearing.day.model import Stretch
from clearing.exchange.claims import claimed_rows, paid_in
from clearing.exchange.keys import CentreKey
from clearing.exchange.packing import Claimed
from clearing.exchange.queries import AT_ONCE
from clearing.exchange.sending import make_packages
from clearing.exchange.tables import PackedWindowRow
from clearing.files import Files
from clearing.intake.queries import batches_of_records
from clearing.opening.before import from_before
from clearing.opening.counters import brought_counters
from clearing.participants.rules import City
from clearing.settlement.model import WindowState
from clearing.settlement.queries import cleared_files
from clearing.settlement.tables import ClearedFileRow, WindowRow
from clearing.verification.context import TransactionId
from clearing.verification.joining import RecordId
from clearing.verification.reasons import Reason
from rulebook.batch import OFFSET
from rulebook.record import Record
from rulebook.record.record import RECORD_LENGTH


async def pack_closed(
    session: AsyncSession, files: Files, of: City, key: CentreKey, *, now: datetime
) -> list[PackedWindowRow]:
    """Packages of every closed window that has none yet, in order. Raises ``Refused``."""
    packed = select(PackedWindowRow.window)
    closed = select(WindowRow).where(WindowRow.state == WindowState.CLOSED, WindowRow.number.not_in(packed))
    return [
        await make_packages(session, window, await _claims(session, files, window.number), of, key, now=now)
        for window in await session.scalars(closed.order_by(WindowRow.number))
    ]


async def _claims(session: AsyncSession, files: Files, window: int) -> list[Claimed]:
    names = select(ClearedFileRow.name).where(ClearedFileRow.window == window).order_by(ClearedFileRow.name)
    paths = [files.results / name for name in await session.scalars(names)]
    rows = await asyncio.to_thread(claimed_rows, paths, reason=Reason.OTHER_ISSUER)
    return rows.claims(await _records(session, files, rows.records))


async def _records(session: AsyncSession, files: Files, ids: Sequence[RecordId]) -> list[Record]:
    """``ids`` in order."""
    found: list[Record] = []
    for start in range(0, len(ids), AT_ONCE):
        some = ids[start : start + AT_ONCE]
        batches = await batches_of_records(session, some)
        stretches = [Stretch(b.device, b.first_sequence, b.count, files.raw.path(b.stored_as), OFFSET) for b in batches]
        found += await asyncio.to_thread(_read, stretches, some)
    return found


def _read(stretches: Iterable[Stretch], ids: Sequence[RecordId]) -> list[Record]:
    """Each file is read once; what two of them have is the same."""
    found: dict[RecordId, Record] = {}
    for stretch in stretches:
        first = bisect_left(ids, (stretch.device, stretch.first))
        end = bisect_left(ids, (stretch.device, stretch.first + stretch.count))
        content = stretch.path.read_bytes()
        for id_ in ids[first:end]:
            at = stretch.offset + (id_[1] - stretch.first) * RECORD_LENGTH
            found[id_] = Record.decode(content[at : at + RECORD_LENGTH])
    return [found[id_] for id_ in ids]


async def paid_here(session: AsyncSession, files: Files, ids: Collection[TransactionId]) -> set[TransactionId]:
    """Those of ``ids`` that our own windows have paid, or hold on "open taps", or that ended before there were windows."""
    paths = [files.results / written.name for written in await cleared_files(session)]
    brought = KeptRegister({}, by_bucket(files.results, await brought_counters(session)))
    return await asyncio.to_thread(lambda: paid_in(paths, ids) | from_before(ids, brought.counters))
