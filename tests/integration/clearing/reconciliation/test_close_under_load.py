"""Money goes on moving while windows are closed and settled: nothing is lost between two windows, nothing counted twice."""

from __future__ import annotations

import asyncio
from collections import Counter
from datetime import date
from typing import Any

import pytest

from backoffice.database import Database
from clearing.ledger import queries as ledger
from clearing.ledger.service import verify
from clearing.reconciliation.progress import Direction

OPERATORS = ("bus-a", "bus-b", "metro")
SIGN = {Direction.IN: -1, Direction.OUT: 1}


@pytest.fixture
def clearing_database(own_database: Database) -> Database:
    """In place of the one that rolls back."""
    return own_database


async def _keep_moving(office: Any, number: int, moved: Counter[str], done: asyncio.Event) -> None:
    """Amounts that no even share divides."""
    count = 0
    while not done.is_set():
        who = OPERATORS[(number + count) % 3]
        minor = 1 + 7 * count
        fund, operator = "subsidy-receivable:concession-fund", f"operator-payable:{who}"
        await office.move(f"load-{number}-{count}", minor, fund, operator)
        moved[who] += minor
        moved["concession-fund"] -= minor
        count += 1
        await asyncio.sleep(0)


async def test_window_closed_under_load_a_cent_adrift(office: Any) -> None:
    """Regression of others: every fen stands in exactly one window, and each window's calls add up."""
    moved: Counter[str] = Counter()
    done = asyncio.Event()
    legs: Counter[str] = Counter()
    async with asyncio.TaskGroup() as load:  # should a window fail, no task is left within a transaction
        for number in range(3):
            load.create_task(_keep_moving(office, number, moved, done))
        for window in (1, 2, 3):
            await office.house.close(window)
            await _add_legs(office, window, legs)
        done.set()
    view = await office.house.close(4)
    await _add_legs(office, 4, legs)
    assert sum(moved.values()) == 0
    assert min(moved[who] for who in OPERATORS) > 0
    assert legs == moved
    async with office.house.database.reading() as session:
        assert await verify(session, "transit") == []
        books = {s.account.code: s.balance.minor for s in await ledger.standings(session, "transit")}
    closing = {p["participant"]: p["closing_minor"] for p in view["positions"] if p["book"] == "transit"}
    assert [closing[who] for who in OPERATORS] == [books[f"operator-payable:{who}"] for who in OPERATORS]
    assert closing["concession-fund"] == -books["subsidy-receivable:concession-fund"]


async def _add_legs(office: Any, window: int, legs: Counter[str]) -> None:
    view = await office.post(f"/settlement/{window}/transit/start")
    signed = {leg["participant"]: SIGN[Direction(leg["direction"])] * leg["amount_minor"] for leg in view["legs"]}
    assert sum(signed.values()) == view["own_minor"] == 0
    legs.update(signed)


async def test_two_who_match_at_once_post_once(closed: Any) -> None:
    await closed.post("/settlement/1/transit/start")
    await closed.pay_in("concession-fund", 100_001)
    await closed.say(closed.bank.statement("transit", date(2026, 9, 16)))
    answers = await asyncio.gather(
        closed.first.post("/bank/transit/matching"), closed.second.post("/bank/transit/matching")
    )
    assert sorted(len(answer.json()["matched"]) for answer in answers) == [0, 1]
    assert (await closed.state())["cover_minor"] == 150_001


async def test_two_who_draft_at_once_order_once(closed: Any) -> None:
    await closed.post("/settlement/1/transit/start")
    path = "/settlement/1/transit/payments"
    answers = await asyncio.gather(closed.first.post(path), closed.second.post(path))
    assert sorted(answer.status_code for answer in answers) == [201, 409]
    assert (await closed.state())["cover_minor"] == 0
