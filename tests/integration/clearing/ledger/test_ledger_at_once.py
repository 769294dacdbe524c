"""Several transactions at once, committed for real in a database of their own."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import replace
from datetime import UTC, date, datetime
from typing import Any

import pytest
from sqlalchemy import URL
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncSession

from backoffice.database import Database, prepare
from backoffice.migration import upgrade
from clearing.ledger.accounts import Kind, account, code
from clearing.ledger.rules import Phase, Purpose, Transfer, settling
from clearing.ledger.service import (
    ConcurrentRepeat,
    TransfersRefused,
    balances,
    close_chain,
    expire,
    open_accounts,
    post,
    verify,
)
from rulebook.money import Amount

NAME = "ledger_at_once"
NOW = datetime(2026, 9, 15, tzinfo=UTC)
FLOAT, VALUE, AGENT = code(Kind.FLOAT_AT_BANK), code(Kind.VALUE_ON_CARDS), code(Kind.AGENT_PREFUNDED, "a")
OPERATORS = [code(Kind.OPERATOR_PAYABLE, name) for name in "xyz"]


@pytest.fixture
async def database(administrator: URL, role_urls: dict[str, URL]) -> AsyncIterator[Database]:
    await prepare(administrator, {role: str(url.password) for role, url in role_urls.items()}, NAME)
    await upgrade(role_urls["owner"].set(database=NAME), "clearing")
    database = Database(role_urls["clearing"].set(database=NAME))
    yield database
    await database.close()


async def book(database: Database, name: str, prefunded: int) -> str:
    """A fresh book for each test: what is posted stays."""
    async with database.transaction() as session:
        kinds = [account(name, Kind.FLOAT_AT_BANK), account(name, Kind.VALUE_ON_CARDS)]
        owned = [account(name, Kind.OPERATOR_PAYABLE, owner) for owner in "xyz"]
        await open_accounts(session, [*kinds, *owned, account(name, Kind.AGENT_PREFUNDED, "a")])
        await post(session, [transfer(name, "p", FLOAT, AGENT, prefunded)], now=NOW)
    return name


def transfer(book: str, name: str, debit: str, credit: str, minor: int) -> Transfer:
    return Transfer(
        id=f"{book}/{name}",
        book=book,
        debit=debit,
        credit=credit,
        amount=Amount(minor),
        purpose=Purpose.ADJUSTMENT,
        business_day=date(2026, 9, 15),
    )


async def committed(database: Database, act: Callable[[AsyncSession], Awaitable[Any]]) -> Any:
    """What came of it in a transaction of its own: the answer, or the refusal."""
    try:
        async with database.transaction() as session:
            return await act(session)
    except (TransfersRefused, ConcurrentRepeat, DBAPIError) as error:
        return error


def posting(*transfers: Transfer) -> Callable[[AsyncSession], Awaitable[Any]]:
    return lambda session: post(session, transfers, now=NOW)


async def together(database: Database, *acts: Callable[[AsyncSession], Awaitable[Any]]) -> list[Any]:
    return list(await asyncio.gather(*(committed(database, act) for act in acts)))


async def sound(database: Database, name: str) -> None:
    async with database.reading() as session:
        assert await verify(session, name) == []


async def test_cover_is_not_spent_twice_by_loads_at_the_same_moment(database: Database) -> None:
    name = await book(database, "cover", 1000)
    loads = [posting(transfer(name, f"l{n}", AGENT, VALUE, 300)) for n in range(8)]
    answers = await together(database, *loads)
    assert sum(isinstance(answer, list) for answer in answers) == 3
    assert sum(isinstance(answer, TransfersRefused) for answer in answers) == 5
    await sound(database, name)


async def test_one_id_at_the_same_moment_is_posted_once(database: Database) -> None:
    name = await book(database, "repeat", 1000)
    same = posting(transfer(name, "l", AGENT, VALUE, 300))
    answers = await together(database, *[same] * 6)
    assert sorted(answer[0].repeated for answer in answers) == [False, True, True, True, True, True]
    await sound(database, name)


async def test_one_id_with_other_accounts_at_the_same_moment_moves_one_of_them(database: Database) -> None:
    name = await book(database, "other", 1000)
    # No account in common, so no lock makes them wait for each other.
    pairs = [(AGENT, VALUE), (OPERATORS[0], OPERATORS[1]), (OPERATORS[2], FLOAT)]
    answers = await together(database, *(posting(transfer(name, "t", *pair, 1)) for pair in pairs))
    assert sum(isinstance(answer, list) for answer in answers) == 1
    await sound(database, name)


async def test_sets_in_opposite_order_do_not_lock_each_other_out(database: Database) -> None:
    name = await book(database, "order", 1000)
    there = [transfer(name, f"a{n}", VALUE, operator, 1) for n, operator in enumerate(OPERATORS)]
    back = [transfer(name, f"b{n}", operator, VALUE, 1) for n, operator in reversed(list(enumerate(OPERATORS)))]
    sets = [posting(*there), posting(*back)]
    for _ in range(5):
        answers = await together(database, *sets)
        assert all(isinstance(answer, list) for answer in answers), answers
    await sound(database, name)


CHART = [AGENT, VALUE, *OPERATORS]


def random_set(name: str, number: int, source: random.Random) -> list[Transfer]:
    """Between any accounts of the book, in any order; the agent may be asked for more than it has."""
    transfers = []
    for n in range(source.randint(1, 12)):
        debit, credit = source.sample(CHART, 2)
        transfers.append(transfer(name, f"{number}-{n}", debit, credit, source.randint(1, 40)))
    return transfers


@pytest.mark.parametrize("large_set", [1, 10**9], ids=["as columns", "one by one"])
async def test_many_sets_over_overlapping_accounts_all_come_through(
    database: Database, monkeypatch: pytest.MonkeyPatch, large_set: int
) -> None:
    monkeypatch.setattr("clearing.ledger.service.LARGE_SET", large_set)
    name = await book(database, f"many{large_set}", 30)
    source = random.Random(7)
    sets = [random_set(name, number, source) for number in range(60)]
    answers = await together(database, *(posting(*each) for each in sets))
    assert all(isinstance(answer, list | TransfersRefused) for answer in answers), answers  # no deadlock
    accepted = [t for each, answer in zip(sets, answers, strict=True) if isinstance(answer, list) for t in each]
    assert 0 < len(accepted) < sum(map(len, sets))
    async with database.reading() as session:
        counters = {s.account.code: s.counters for s in await balances(session, name)}
    for account_code in CHART:
        debits, credits_ = (
            sum(t.amount.minor for t in accepted if getattr(t, side) == account_code) for side in ("debit", "credit")
        )
        assert counters[account_code] == (debits, credits_ + 30 * (account_code == AGENT), 0, 0)
    assert counters[AGENT].debits_posted <= counters[AGENT].credits_posted
    await sound(database, name)


@pytest.mark.parametrize("large_set", [1, 10**9], ids=["as columns", "one by one"])
async def test_one_set_sent_by_many_at_the_same_moment_is_posted_once(
    database: Database, monkeypatch: pytest.MonkeyPatch, large_set: int
) -> None:
    monkeypatch.setattr("clearing.ledger.service.LARGE_SET", large_set)
    name = await book(database, f"same{large_set}", 300)
    fares = [transfer(name, f"f{n}", VALUE, OPERATORS[n % 3], 5) for n in range(30)]
    answers = await together(database, *(posting(*fares[n:], *fares[:n]) for n in range(6)))
    assert sorted(sum(posted.repeated for posted in answer) for answer in answers) == [0, 30, 30, 30, 30, 30]
    await sound(database, name)


async def test_a_reservation_posted_while_it_expires_does_one_of_both(database: Database) -> None:
    name = await book(database, "expiry", 1000)
    kept = [
        replace(transfer(name, f"r{n}", AGENT, VALUE, 10), phase=Phase.PENDING, expires_on=date(2026, 9, 15))
        for n in range(6)
    ]
    await committed(database, posting(*kept))
    posts = [
        posting(settling(each, Phase.POST, id=f"{each.id}/post", business_day=each.business_day)) for each in kept[:3]
    ]
    expiring = [lambda session: expire(session, today=date(2026, 9, 15), now=NOW)] * 3
    answers = await together(database, *posts, *expiring)
    assert all(isinstance(answer, list | TransfersRefused) for answer in answers), answers
    posted = sum(isinstance(answer, list) for answer in answers[:3])
    assert sum(len(answer) for answer in answers[3:]) == 6 - posted
    async with database.reading() as session:
        counters = {s.account.code: s.counters for s in await balances(session, name)}
    assert counters[AGENT] == (10 * posted, 1000, 0, 0)
    await sound(database, name)


async def test_two_windows_closed_at_the_same_moment_do_not_share_a_transfer(database: Database) -> None:
    name = await book(database, "windows", 1000)
    answers = await together(database, *[lambda session: close_chain(session, name, 1)] * 4)
    assert sorted(len(answer) for answer in answers) == [0, 0, 0, 1]
    async with database.reading() as session:
        assert len(await balances(session, name)) == 6
    await sound(database, name)
