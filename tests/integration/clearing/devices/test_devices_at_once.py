"""What meets at the same moment: decisions are made once, and nobody gets an error for somebody else's contact."""

from __future__ import annotations

import asyncio
from collections import Counter
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import func, select

from backoffice.database import Database
from clearing.devices import key_change, publishing
from clearing.devices.parameter_keys import KeyMissing, ParameterKeys
from clearing.devices.parts import list_part
from clearing.devices.tables import DenyListPartRow, DeviceStepRow, ParameterKeyRow
from rulebook.calendar import BUSINESS_ZONE

EVENING = datetime(2026, 9, 15, 22, tzinfo=BUSINESS_ZONE)
BUS = "/devices/BUS-A-0001"


@pytest.fixture
def clearing_database(own_database: Database) -> Database:
    """In place of the one that rolls back."""
    return own_database


async def test_a_return_approved_twice_and_withdrawn_at_once_is_decided_once(depot: Any) -> None:
    await depot.enrolled()
    await depot.post("wang", f"{BUS}/loss")
    await depot.post("wang", f"{BUS}/proposal", event="return", note="x")
    answers = await asyncio.gather(
        depot.post("li", f"{BUS}/approval"),
        depot.post("li", f"{BUS}/approval"),
        depot.post("wang", f"{BUS}/withdrawal"),
    )
    assert Counter(answer.status_code < 300 for answer in answers) == {True: 1, False: 2}
    assert {answer.json()["reason"] for answer in answers if answer.status_code >= 300} == {"nothing_proposed"}


async def test_a_loss_reported_by_two_is_one_loss(depot: Any) -> None:
    await depot.enrolled()
    answers = await asyncio.gather(*(depot.post(name, f"{BUS}/loss") for name in ("wang", "li")))
    assert [answer.status_code for answer in answers] == [204, 204]
    async with depot.house.database.reading() as session:
        lost = select(func.count()).select_from(DeviceStepRow).where(DeviceStepRow.event == "lose")
        assert await session.scalar(lost) == 1


async def test_contacts_at_once_are_all_answered(depot: Any, denied: Any) -> None:
    bus, other = await depot.enrolled(), await depot.enrolled("BUS-B-0001")
    depot.house.facts.append(denied(2))
    await depot.house.pull()
    depot.at(EVENING + timedelta(hours=1))
    for terminal in (bus, other, bus, other):  # the files of one terminal belong to one process
        await terminal.contact()
    told = await asyncio.gather(*(asyncio.to_thread(t.uplink.statement) for t in (bus, other) for _ in range(4)))
    assert len(set(told)) == 2
    async with depot.house.database.reading() as session:
        # Only the version that was asked for is hashed.
        assert (await session.scalar(select(func.count()).select_from(DenyListPartRow))) == 1


async def test_two_that_hash_a_new_list_have_the_same(clearing_database: Database) -> None:
    async def hashed() -> Any:
        async with clearing_database.transaction() as session:
            return await list_part(session)

    parts = await asyncio.gather(*(hashed() for _ in range(4)))
    assert len({part.sha256 for part in parts}) == 1


async def test_services_that_start_at_once_make_one_key(clearing_database: Database, tmp_path: Path) -> None:
    async def start() -> None:
        async with clearing_database.transaction() as session:
            await key_change.ensure_key(session, ParameterKeys(tmp_path / "keys"), now=EVENING)

    await asyncio.gather(*(start() for _ in range(4)))
    async with clearing_database.reading() as session:
        assert [row.number for row in await session.scalars(select(ParameterKeyRow))] == [1]


async def test_a_service_whose_key_is_gone_does_not_start(clearing_database: Database, tmp_path: Path) -> None:
    async with clearing_database.transaction() as session:
        await key_change.ensure_key(session, ParameterKeys(tmp_path / "keys"), now=EVENING)
    (tmp_path / "keys" / "1.key").unlink()
    with pytest.raises(KeyMissing, match="bring it back"):
        async with clearing_database.transaction() as session:
            await key_change.ensure_key(session, ParameterKeys(tmp_path / "keys"), now=EVENING)


async def test_two_keys_proposed_at_once_are_one(depot: Any) -> None:
    answers = await asyncio.gather(*(depot.post(name, "/parameters/keys") for name in ("wang", "li")))
    assert sorted(answer.status_code for answer in answers) == [201, 409]


async def test_tariffs_adopted_at_once_are_adopted_once(depot: Any) -> None:
    async def adopt() -> None:
        async with depot.house.database.transaction() as session:
            await publishing.adopt_published(session)

    await asyncio.gather(*(adopt() for _ in range(4)))
    async with depot.house.database.reading() as session:
        assert [release.version for release in await publishing.releases(session)] == [1]
