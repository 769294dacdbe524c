"""Transfers per second into the ledger: in sets, and one transfer to a transaction, in one run.

    .venv/bin/python benchmarks/ledger.py [--transfers N]

Both ways go through ``clearing.ledger.service.post`` into a PostgreSQL of its own (the embedded one, durable commits),
1,000 operators' accounts. The books are verified afterwards: a fast ledger that is wrong is not reported.
"""

from __future__ import annotations

import argparse
import asyncio
import random
import tempfile
import time
from datetime import UTC, date, datetime
from pathlib import Path

from sqlalchemy import URL

from backoffice.database import Database, prepare, role_passwords, role_url
from backoffice.embedded import embedded_postgres
from backoffice.migration import upgrade
from clearing.ledger.accounts import TRANSIT, Kind, account, code
from clearing.ledger.rules import Purpose, Transfer
from clearing.ledger.service import open_accounts, post, verify
from rulebook.money import Amount

OPERATORS = 1000
SINGLE = 1000
SET_SIZES = (100, 1_000, 10_000)
NOW = datetime(2026, 9, 15, tzinfo=UTC)


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


async def rate(database: Database, every: list[Transfer], size: int) -> float:
    """Transfers per second, ``size`` to a transaction."""
    begun = time.perf_counter()
    for start in range(0, len(every), size):
        async with database.transaction() as session:
            await post(session, every[start : start + size], now=NOW)
    return len(every) / (time.perf_counter() - begun)


async def run(administrator: URL, passwords: dict[str, str], count: int) -> None:
    await prepare(administrator, passwords)
    await upgrade(role_url(administrator, "owner", passwords), "clearing")
    database = Database(role_url(administrator, "clearing", passwords))
    source = random.Random(1)
    async with database.transaction() as session:
        operators = [account(TRANSIT, Kind.OPERATOR_PAYABLE, f"o{n}") for n in range(OPERATORS)]
        await open_accounts(session, [account(TRANSIT, Kind.VALUE_ON_CARDS), *operators])
    await rate(database, transfers("warm", 1000, source), 1000)
    single = await rate(database, transfers("single", SINGLE, source), 1)
    print(f"one to a transaction   {single:>9,.0f} transfers/s        1")
    for size in SET_SIZES:
        in_sets = await rate(database, transfers(f"set{size}-", count, source), size)
        print(f"sets of {size:>6,}         {in_sets:>9,.0f} transfers/s  {in_sets / single:>7.0f}")
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
