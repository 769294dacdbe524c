"""Uploads that meet one another or the close: each is taken once, in one window, and nobody gets an error for it."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from typing import Any

import pytest
from sqlalchemy import func, select

from backoffice.database import Database
from clearing.files import Files
from clearing.intake.queries import open_gaps
from clearing.intake.tables import BatchRow
from clearing.settlement import service
from rulebook.batch import seal

EVENING = datetime(2026, 9, 15, 14, tzinfo=UTC)


@pytest.fixture
def clearing_database(own_database: Database) -> Database:
    """In place of the one that rolls back."""
    return own_database


async def _windows(house: Any) -> dict[tuple[str, int], int]:
    async with house.database.reading() as session:
        return {(row.device, row.number): row.window for row in await session.scalars(select(BatchRow))}


async def test_the_same_batch_twice_at_once_is_taken_once(house: Any) -> None:
    bus = await house.enrol("BUS-A-0001")
    raw = seal(bus.name, 1, list(house.town.tap(1, 0)), bus.key.sign)
    answers = await asyncio.gather(*(bus.send("POST", "/batches", raw) for _ in range(4)))
    assert sorted(answer.status_code for answer in answers) == [200, 200, 200, 201]
    async with house.database.reading() as session:
        assert await session.scalar(select(func.count()).select_from(BatchRow)) == 1


async def test_two_batches_of_one_device_at_once_leave_no_false_gap(house: Any) -> None:
    bus = await house.enrol("BUS-A-0001")
    records = [record for sequence in range(4) for record in house.town.tap(1, sequence)]
    answers = await asyncio.gather(*(bus.upload(n + 1, records[2 * n : 2 * n + 2]) for n in range(4)))
    assert {answer.status_code for answer in answers} == {201}
    async with house.database.reading() as session:
        assert not await open_gaps(session)


async def test_a_batch_that_comes_while_the_window_is_frozen_is_the_next_windows(house: Any) -> None:
    bus = await house.enrol("BUS-A-0001")
    async with house.database.transaction() as session:
        files = Files(house.app.state.service.settings.data_folder / "clearing")
        await service.freeze(session, house.app.state.vault, files, 1, actor="wang", now=EVENING)
        upload = asyncio.create_task(bus.upload(1, list(house.town.tap(1, 0))))
        await asyncio.sleep(0.3)
        assert not upload.done()
    assert (await upload).status_code == 201
    assert await _windows(house) == {("BUS-A-0001", 1): 2}


async def test_a_close_waits_for_the_batch_that_is_being_taken(house: Any) -> None:
    bus = await house.enrol("BUS-A-0001")
    intent, outcome = house.town.tap(1, 0)
    await bus.upload(1, [intent])
    async with house.staff("wang") as wang:
        answers = await asyncio.gather(bus.upload(2, [outcome]), wang.post("/windows/1/closing"))
        assert [answer.status_code for answer in answers] == [201, 200]
        view = answers[1].json()
    taken = sum(window == 1 for window in (await _windows(house)).values())
    assert view["counts"]["batches"] == taken
    assert view["counts"]["records"] == taken


async def test_two_proposals_at_once_make_one_window(house: Any) -> None:
    async with house.staff("wang") as wang, house.staff("li") as li:
        answers = await asyncio.gather(wang.post("/windows/1/closing"), li.post("/windows/1/closing"))
        again = await li.post("/windows/1/closing")
    views = [answer.json() for answer in answers if answer.status_code == 200]
    assert views
    assert len({(view["proposed_by"], view["result_digest"]) for view in views}) == 1
    assert (again.status_code, again.json()["reason"]) == (409, "window_proposed")


async def test_two_approvals_at_once_post_once(house: Any) -> None:
    bus = await house.enrol("BUS-A-0001")
    await bus.upload(1, list(house.town.tap(1, 0)))
    async with house.staff("wang") as wang, house.staff("li") as li, house.staff("li") as again:
        await wang.post("/windows/1/closing")
        answers = await asyncio.gather(li.post("/windows/1/approval"), again.post("/windows/1/approval"))
    assert sorted(answer.status_code for answer in answers) == [200, 409]
