"""Records a second from batches in memory to durable, in batches and sets of several sizes, against a row a record.

    .venv/bin/python benchmarks/intake.py [--taps N] [--rounds N]

The journals are those of the demonstration city in bulk, sealed by their devices' keys as terminals seal them (at most 1,000
records). *one by one* goes through ``clearing.intake.service.take_batch``, a transaction each; *sets* through
``clearing.intake.sets.take_batches``, as a depot brings them. Measured is all of it: form, control totals, Ed25519 signature,
conflicts, gaps, the file on disk (fsync of file and name) and the row (a commit with ``synchronous_commit`` on, the embedded
PostgreSQL). *cpu* is what this process used, PostgreSQL's not counted: on a machine with other work the rate falls, this does
not. *naive* is what it replaces: ``Record.decode`` and an INSERT for each record, a transaction for each batch; its signature
is checked too. *the disk alone* writes the same bytes to as many files, eight at once, and syncs them: this machine's ceiling
(433 bytes a record, so that 500,000 a second are 217 MB/s). Afterwards every batch is read back by its row; if one is not what
was sent, nothing is reported.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import statistics
import tempfile
import time
from collections.abc import Awaitable, Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from sqlalchemy import URL, Column, Integer, LargeBinary, MetaData, String, Table, delete, insert, select

from backoffice.database import Database, prepare, role_passwords, role_url
from backoffice.embedded import embedded_postgres
from backoffice.migration import upgrade
from clearing.devices.rules import is_signed
from clearing.devices.tables import DeviceRow
from clearing.intake.service import take_batch
from clearing.intake.sets import WRITERS, take_batches
from clearing.intake.store import RawStore
from clearing.intake.tables import BatchRow
from hardware.vault.software import SoftwareVault
from hardware.vault.vault import KeyLabel
from rulebook.batch import seal_rows, unseal, unseal_rows
from rulebook.messages.devices import BatchReceipt
from rulebook.record.columns import RECORD_DTYPE, Rows
from simulator.city.bulk.day import BulkDay
from simulator.city.bulk.faults import Rates
from simulator.city.bulk.journals import write
from simulator.city.bulk.town import Extent

TARGET = 500_000
BATCH = 1_000  # as terminals form them
LONG = 10_000
SETS = (10, 100)
DEVICES = 8
NAIVE_RECORDS = 4_000
NOW = datetime(2026, 9, 15, tzinfo=UTC)
SEED = 20260915

# No record is a row any more; this is how it was, with an index by card.
_RECORDS = Table(
    "naive_record",
    MetaData(),
    Column("device", String, primary_key=True),
    Column("journal_sequence", Integer, primary_key=True),
    Column("raw", LargeBinary),
    Column("issuer", LargeBinary),
    Column("serial", LargeBinary, index=True),
    Column("purse", Integer),
    Column("card_sequence", Integer),
)


@dataclass(frozen=True)
class Sent:
    """A batch of ``count`` records."""

    device: str
    raw: bytes
    count: int


@dataclass(frozen=True)
class Fleet:
    """Devices with the keys that seal their batches."""

    keys: dict[str, Ed25519PrivateKey]

    def rows(self) -> list[DeviceRow]:
        return [
            DeviceRow(
                device=name,
                kind="validator",
                operator="bus-a",
                line="",
                place="",
                state="enrolled",
                code_hash=bytes(32),
                public_key=key.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw),
                sam_serial=bytes(10),
                terminal_number=bytes(6),
                invited_at=NOW,
                enrolled_at=NOW,
            )
            for name, key in self.keys.items()
        ]


def journals(taps: int) -> dict[str, Rows]:
    """Every device's day, all of its records."""
    day = BulkDay(Extent(cards=taps // 4, taps=taps), seed=SEED, rates=Rates(lost_batches=0, batches_twice=0))
    found: dict[str, list[bytes]] = {}
    with tempfile.TemporaryDirectory() as folder:
        for upload in write(day, Path(folder), SoftwareVault.demonstration({KeyLabel.TAC})):
            found.setdefault(upload.device, []).append(unseal_rows(upload.path.read_bytes()).rows.tobytes())
    return {name: np.frombuffer(b"".join(parts), RECORD_DTYPE) for name, parts in found.items()}


def batches(every: dict[str, Rows], size: int, fleet: Fleet, first: int) -> list[Sent]:
    """All records anew as batches of ``size``, in turn from several devices; ``first`` numbers the devices, each with a journal
    of its own: what was sent in another round is not known."""
    rows = np.frombuffer(b"".join(one.tobytes() for one in every.values()), RECORD_DTYPE).copy()
    sent = []
    for number, start in enumerate(range(0, len(rows) - size + 1, size)):
        name = f"D-{first + number % DEVICES:09}"
        part = rows[start : start + size]
        part["device"] = np.void(name.encode().ljust(12, b"\0"))
        turn = number // DEVICES
        part["journal_sequence"] = turn * size + 1 + np.arange(size)
        key = fleet.keys.setdefault(name, Ed25519PrivateKey.from_private_bytes(name.encode().ljust(32, b"\0")))
        sent.append(Sent(name, seal_rows(turn + 1, part, key.sign), size))
    return sent


async def taken(database: Database, store: RawStore, sent: Sent) -> None:
    async with database.transaction() as session:
        found = await take_batch(session, store, sent.raw, device=sent.device, window=1, now=NOW)
    accepted([found])


async def taken_together(database: Database, store: RawStore, sent: Sequence[Sent]) -> None:
    async with database.transaction() as session:
        found = await take_batches(session, store, [one.raw for one in sent], window=1, now=NOW)
    accepted(found)


def accepted(answers: Sequence[object]) -> None:
    wrong = [answer for answer in answers if not isinstance(answer, BatchReceipt) or answer.repeated]
    if wrong:
        raise SystemExit(f"batches were not taken: {wrong}")


async def rowed(database: Database, sent: Sent, public: bytes) -> None:
    batch = unseal(sent.raw)
    assert is_signed(public, batch.signature, batch.signed)
    async with database.transaction() as session:
        for record in batch.records:
            values = {name: getattr(record, name) for name in _RECORDS.c.keys() if name != "raw"}  # noqa: SIM118
            await session.execute(insert(_RECORDS).values(values | {"raw": record.encode()}))


def on_disk(folder: Path, sent: list[Sent]) -> None:
    def write_one(number: int) -> None:
        with (folder / str(number)).open("wb") as file:
            file.write(sent[number].raw)
            file.flush()
            os.fsync(file.fileno())

    with ThreadPoolExecutor(WRITERS) as writers:
        list(writers.map(write_one, range(len(sent))))


@dataclass(frozen=True)
class Rate:
    """Records a second, and microseconds of this process for each."""

    records: float
    cpu_us: float


async def rate(count: int, works: Iterable[Awaitable[None]]) -> Rate:
    begun, used = time.perf_counter(), time.process_time()
    for work in works:
        await work
    return Rate(count / (time.perf_counter() - begun), (time.process_time() - used) / count * 1e6)


async def checked(database: Database, store: RawStore, sent: list[Sent]) -> None:
    wanted = {(one.device, unseal_rows(one.raw).header.number): one.raw for one in sent}
    async with database.reading() as session:
        rows = (await session.scalars(select(BatchRow).where(BatchRow.device.in_({one.device for one in sent})))).all()
    if {(row.device, row.number): store.read(row.stored_as) for row in rows} != wanted:
        raise SystemExit("what is stored is not what was sent; nothing is reported")


def numbers() -> Iterator[int]:
    first = 0
    while True:
        first += DEVICES
        yield first


async def measure(database: Database, store: RawStore, every: dict[str, Rows], rounds: int) -> None:
    fleet, fresh = Fleet({}), numbers()

    async def prepared(size: int, limit: int | None = None) -> list[Sent]:
        made = batches(every, size, fleet, next(fresh))[:limit]
        async with database.transaction() as session:
            session.add_all(row for row in fleet.rows() if row.device in {one.device for one in made})
        return made

    def one_by_one(sent: list[Sent]) -> Iterator[Awaitable[None]]:
        return (taken(database, store, one) for one in sent)

    def in_sets(size: int) -> Callable[[list[Sent]], Iterator[Awaitable[None]]]:
        return lambda sent: (
            taken_together(database, store, sent[start : start + size]) for start in range(0, len(sent), size)
        )

    sample = await prepared(BATCH, NAIVE_RECORDS // BATCH)
    public = {row.device: row.public_key for row in fleet.rows()}
    naive = await rate(NAIVE_RECORDS, (rowed(database, one, public[one.device] or b"") for one in sample))
    print(f"{'naive, a row a record':<40}{naive.records:>11,.0f} records/s {naive.cpu_us:>9.2f} us cpu")
    for way in (one_by_one, in_sets(10)):  # warm
        await rate(1, way(await prepared(BATCH, 20)))
    ways = {
        f"batches of {BATCH:,}, one by one": (BATCH, one_by_one),
        **{f"batches of {BATCH:,}, in sets of {size}": (BATCH, in_sets(size)) for size in SETS},
        f"batches of {LONG:,}, one by one": (LONG, one_by_one),
        f"batches of {LONG:,}, in sets of 10": (LONG, in_sets(10)),
    }
    found: dict[str, list[Rate]] = {name: [] for name in ways}
    alone = []
    for _ in range(rounds):
        with tempfile.TemporaryDirectory(dir=store.folder.parent) as folder:
            sent = batches(every, BATCH, fleet, next(fresh))
            begun = time.perf_counter()
            on_disk(Path(folder), sent)
            alone.append(BATCH * len(sent) / (time.perf_counter() - begun))
        for name, (size, way) in ways.items():
            sent = await prepared(size)
            found[name].append(await rate(size * len(sent), way(sent)))
            await checked(database, store, sent)
    print(f"{'the disk alone':<40}{statistics.median(alone):>11,.0f} records/s")
    for name, rates in found.items():
        middle = statistics.median(one.records for one in rates)
        cpu = statistics.median(one.cpu_us for one in rates)
        print(
            f"{name:<40}{middle:>11,.0f} records/s {cpu:>9.2f} us cpu"
            f" {middle / naive.records:>7.0f} times  wanted {TARGET:,} records/s"
        )


async def run(administrator: URL, folder: Path, every: dict[str, Rows], rounds: int) -> None:
    passwords = role_passwords(folder)
    await prepare(administrator, passwords)
    await upgrade(role_url(administrator, "owner", passwords), "clearing")
    owner = Database(role_url(administrator, "owner", passwords))
    database = Database(role_url(administrator, "clearing", passwords))
    async with owner.engine.begin() as connection:
        await connection.run_sync(_RECORDS.to_metadata(MetaData(schema="clearing")).create)
        await connection.exec_driver_sql("GRANT ALL ON clearing.naive_record TO clearing")
    _RECORDS.schema = "clearing"
    await measure(database, RawStore(folder / "raw"), every, rounds)
    async with database.transaction() as session:
        await session.execute(delete(_RECORDS))
    for one in (owner, database):
        await one.close()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--taps", type=int, default=200_000, help="twice as many records")
    parser.add_argument("--rounds", type=int, default=3)
    given = parser.parse_args()
    every = journals(given.taps)
    with tempfile.TemporaryDirectory() as folder, embedded_postgres(Path(folder) / "postgres") as administrator:
        asyncio.run(run(administrator, Path(folder), every, given.rounds))


if __name__ == "__main__":
    main()
