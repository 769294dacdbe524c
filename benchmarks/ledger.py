"""Transfers per second into the ledger: as columns, as objects in sets, and one to a transaction, in one run.

    .venv/bin/python benchmarks/ledger.py [--transfers N]

Every way goes through ``clearing.ledger.service`` into a PostgreSQL of its own (the embedded one), 1,000 operators' accounts.
What is measured: from transfers in memory to the end of the commit, which is durable (``synchronous_commit`` is on), with
every check, the transfers with their indexes, and the counters. Making the objects or columns is not in it. "Of one core" are
transfers per second of processor time of both, this program and its server process: what is left of the difference waited for
the disk or for other programs.
The books are verified afterwards: a fast ledger that is wrong is not reported.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import random
import statistics
import tempfile
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import UTC, date, datetime
from pathlib import Path

import pyarrow as pa
from sqlalchemy import URL, text
from sqlalchemy.ext.asyncio import AsyncSession

from backoffice.database import Database, prepare, role_passwords, role_url
from backoffice.embedded import embedded_postgres
from backoffice.migration import upgrade
from clearing.ledger.accounts import TRANSIT, Kind, account, code
from clearing.ledger.columns import TRANSFERS, columns_of
from clearing.ledger.rules import Purpose, Transfer
from clearing.ledger.service import open_accounts, post, post_columns, verify
from rulebook.money import Amount

OPERATORS = 1000
SINGLE = 1000
SET_SIZES = (100, 1_000, 10_000, 150_000)
ROUNDS = 3
NOW = datetime(2026, 9, 15, tzinfo=UTC)

Post = Callable[[AsyncSession], Awaitable[object]]


def transfers(prefix: str, count: int, random_source: random.Random) -> list[Transfer]:
    """Fares: value on cards → one of the operators."""
    return [
        Transfer(
            id=f"{prefix}{n:09d}",
            book=TRANSIT,
            debit=code(Kind.VALUE_ON_CARDS),
            credit=code(Kind.OPERATOR_PAYABLE, f"o{random_source.randrange(OPERATORS)}"),
            amount=Amount(random_source.randint(1, 900)),
            purpose=Purpose.FARE,
            business_day=date(2026, 9, 15),
        )
        for n in range(count)
    ]


@dataclass(frozen=True, slots=True, order=True)
class Rate:
    """Transfers per second by the clock, and of processor time."""

    wall: float
    processor: float


async def rate(database: Database, count: int, posts: list[Post]) -> Rate:
    """Each of ``posts`` is a transaction."""
    async with database.transaction() as session:
        server = await session.scalar(text("SELECT pg_backend_pid()"))
    begun, used = time.perf_counter(), processor_s(server)
    for one in posts:
        async with database.transaction() as session:
            await one(session)
    return Rate(count / (time.perf_counter() - begun), count / (processor_s(server) - used))


def processor_s(server: int) -> float:
    """Of this process and of the server's that serves its one connection (proc(5): user and system time, in ticks)."""
    fields = Path(f"/proc/{server}/stat").read_text().rpartition(")")[2].split()
    return time.process_time() + (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def as_objects(every: list[Transfer], size: int) -> list[Post]:
    sets = [every[start : start + size] for start in range(0, len(every), size)]
    return [lambda session, one=one: post(session, one, now=NOW) for one in sets]  # type: ignore[misc]


def as_columns(table: pa.Table, size: int) -> list[Post]:
    sets = [table.slice(start, size) for start in range(0, len(table), size)]
    return [lambda session, one=one: post_columns(session, one, now=NOW) for one in sets]  # type: ignore[misc]


async def measure(database: Database, count: int) -> None:
    source = random.Random(1)
    await rate(database, 1000, as_objects(transfers("warm", 1000, source), 1000))
    single = await rate(database, SINGLE, as_objects(transfers("single", SINGLE, source), 1))
    print(
        f"objects, one to a transaction   {single.wall:>9,.0f} transfers/s        1 {single.processor:>11,.0f} of one core"
    )
    for size in SET_SIZES:
        objects, columns = [], []
        for turn in range(ROUNDS):
            every = transfers(f"objects{size}-{turn}-", max(count, size), source)
            objects.append(await rate(database, len(every), as_objects(every, size)))
            table = columns_of(transfers(f"columns{size}-{turn}-", max(count, size), source))
            assert table.schema == TRANSFERS
            columns.append(await rate(database, len(table), as_columns(table, size)))
        for what, rates in (("objects", objects), ("columns", columns)):
            median = statistics.median_low(rates)
            ratio = median.wall / single.wall
            print(
                f"{what}, sets of {size:>7,}        {median.wall:>9,.0f} transfers/s  {ratio:>7.0f} {median.processor:>11,.0f}"
            )


async def run(administrator: URL, passwords: dict[str, str], count: int) -> None:
    await prepare(administrator, passwords)
    await upgrade(role_url(administrator, "owner", passwords), "clearing")
    database = Database(role_url(administrator, "clearing", passwords))
    async with database.transaction() as session:
        operators = [account(TRANSIT, Kind.OPERATOR_PAYABLE, f"o{n}") for n in range(OPERATORS)]
        await open_accounts(session, [account(TRANSIT, Kind.VALUE_ON_CARDS), *operators])
    await measure(database, count)
    async with database.reading() as session:
        faults = await verify(session, TRANSIT)
    await database.close()
    if faults:
        raise SystemExit(f"the books do not agree: {faults}")
    print("books verified: counters, transfers and balance sheet agree")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--transfers", type=int, default=50_000, help="for each size of set")
    count = parser.parse_args().transfers
    with tempfile.TemporaryDirectory() as folder, embedded_postgres(Path(folder) / "postgres") as administrator:
        asyncio.run(run(administrator, role_passwords(Path(folder)), count))


if __name__ == "__main__":
    main()
