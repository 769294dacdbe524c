"""What it costs to keep a city's terminals informed: changes beside whole lists, and contacts per second, in one run.

    .venv/bin/python benchmarks/parameters.py [--cards N] [--devices N]

``--cards`` stand on the deny list, in a PostgreSQL of its own (the embedded one); 100 more are reported. The naive way is the
one this replaced: every changed list whole, as JSON that pydantic reads (some 100 bytes a card). Each time is
the best of three, but for the first hash of a version, which is computed once. A contact is one signed statement of an enrolled
device, in a transaction, by one process; the page is what ``/devices`` asks, without the template.
"""

from __future__ import annotations

import argparse
import asyncio
import tempfile
import time
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

from pydantic import BaseModel
from sqlalchemy import URL, insert

from backoffice.database import Database, prepare, role_passwords, role_url
from backoffice.embedded import embedded_postgres
from backoffice.migration import upgrade
from clearing.devices.fleet import fleet, told
from clearing.devices.key_change import ensure_key
from clearing.devices.life import DeviceState
from clearing.devices.parameter_keys import ParameterKeys
from clearing.devices.parts import deny_changes, list_part
from clearing.devices.releases import ReleaseState
from clearing.devices.statements import statement_for
from clearing.devices.tables import DeviceHealthRow, DeviceRow, TariffReleaseRow
from clearing.facts.tables import DenyChangeRow
from rulebook.messages.base import Hex
from rulebook.messages.devices import DeviceHealth, DeviceKind
from rulebook.parameters import DenyChanges

NEW = 100
CONTACTS = 500
ROUNDS = 3
NOW = datetime(2026, 9, 15, tzinfo=UTC)
SAID = DeviceHealth(
    software_version="1",
    tariff_version=1,
    list_version=0,
    parameter_key=1,
    clock_drift_ms=0,
    journal_last=0,
    journal_uploaded=0,
    free_bytes=10**9,
)


class NaiveEntry(BaseModel):
    issuer: Hex
    serial: Hex
    reported_at: datetime


class NaiveList(BaseModel):
    version: int
    deny_list: list[NaiveEntry]


def best(act: Callable[[], object]) -> float:
    times = []
    for _ in range(ROUNDS):
        begun = time.perf_counter()
        act()
        times.append(time.perf_counter() - begun)
    return min(times)


async def timed(act: Callable[[], Awaitable[object]]) -> float:
    begun = time.perf_counter()
    await act()
    return time.perf_counter() - begun


async def fill(database: Database, cards: int, devices: int, keys: ParameterKeys) -> None:
    changes = [
        {"number": n, "issuer": bytes(8), "serial": n.to_bytes(10, "big"), "denied": True, "reported_at": NOW}
        for n in range(1, cards + NEW + 1)
    ]
    rows = [
        {
            "device": f"D{n:08d}",
            "kind": DeviceKind.VALIDATOR,
            "operator": f"bus-{n % 7}",
            "line": f"B{n % 400}",
            "place": "",
            "state": DeviceState.ENROLLED,
            "code_hash": b"",
            "public_key": bytes(32),
            "sam_serial": n.to_bytes(10, "big"),
            "terminal_number": bytes(6),
            "invited_at": NOW,
            "enrolled_at": NOW,
        }
        for n in range(devices)
    ]
    async with database.transaction() as session:
        for start in range(0, len(changes), 5000):
            await session.execute(insert(DenyChangeRow), changes[start : start + 5000])
        await session.execute(insert(DeviceRow), rows)
        await session.execute(insert(DeviceHealthRow), [{"device": row["device"], "last_contact": NOW} for row in rows])
        await session.execute(
            insert(TariffReleaseRow).values(version=1, state=ReleaseState.PUBLISHED, sha256=bytes(32))
        )
        await ensure_key(session, keys, now=NOW)


def on_the_device(whole: bytes, steps: bytes, naive: bytes) -> None:
    there = DenyChanges.decode(whole)
    by_steps = best(lambda: there.applied(DenyChanges.decode(steps)).encode())
    by_whole = best(lambda: DenyChanges.decode(whole).entries())
    as_json = best(lambda: NaiveList.model_validate_json(naive))
    print(f"{NEW} changes         {len(steps):>12,} bytes   {by_steps:6.2f} s on the device")
    print(f"the whole list      {len(whole):>12,} bytes   {by_whole:6.2f} s on the device")
    print(f"naive: JSON, whole  {len(naive):>12,} bytes   {as_json:6.2f} s on the device")
    print(f"naive / changes: {len(naive) / len(steps):,.0f} times the bytes, {as_json / by_steps:.1f} times the time")


async def measure(database: Database, cards: int, devices: int, keys: ParameterKeys) -> None:
    await fill(database, cards, devices, keys)
    async with database.reading() as session:
        whole = await deny_changes(session, 0, cards)
        steps = await deny_changes(session, cards, cards + NEW)
    listed = DenyChanges.decode(whole)
    assert len(listed.changes) == cards
    entries = [NaiveEntry.model_construct(**entry._asdict()) for entry in listed.entries()]
    on_the_device(whole, steps, NaiveList.model_construct(version=cards, deny_list=entries).model_dump_json().encode())
    del listed, entries

    async def hashed() -> None:
        async with database.transaction() as session:
            await list_part(session)

    async def contacts() -> None:
        for n in range(CONTACTS):
            async with database.transaction() as session:
                issued = await statement_for(session, keys, f"D{n:08d}", DeviceKind.VALIDATOR, now=NOW)
                await told(session, f"D{n:08d}", issued.statement.deny_list.version, now=NOW)

    async def page() -> None:
        async with database.reading() as session:
            assert len(await fleet(session, now=NOW + timedelta(hours=1))) == devices

    print(f"a new version hashed, once for all devices: {await timed(hashed):.2f} s, in the database")
    print(f"contacts: {CONTACTS / min([await timed(contacts) for _ in range(ROUNDS)]):,.0f} statements a second")
    print(f"the page of {devices:,} devices: {min([await timed(page) for _ in range(ROUNDS)]):.2f} s")


async def run(administrator: URL, folder: Path, cards: int, devices: int) -> None:
    passwords = role_passwords(folder)
    await prepare(administrator, passwords)
    await upgrade(role_url(administrator, "owner", passwords), "clearing")
    database = Database(role_url(administrator, "clearing", passwords))
    await measure(database, cards, devices, ParameterKeys(folder / "keys"))
    await database.close()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cards", type=int, default=500_000)
    parser.add_argument("--devices", type=int, default=20_000)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder, embedded_postgres(Path(folder) / "postgres") as administrator:
        asyncio.run(run(administrator, Path(folder), arguments.cards, arguments.devices))


if __name__ == "__main__":
    main()
