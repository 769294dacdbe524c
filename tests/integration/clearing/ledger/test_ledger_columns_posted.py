"""Sets as columns and sets as objects are one ledger: whatever comes, both end as ``decide_all`` says, on a real PostgreSQL."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncSession

from clearing.ledger import queries, service
from clearing.ledger.accounts import TRANSIT, Kind, account
from clearing.ledger.columns import columns_of
from clearing.ledger.rules import (
    Accounts,
    Counters,
    Phase,
    Posted,
    Purpose,
    Refused,
    Standing,
    Transfer,
    decide_all,
    settling,
)
from clearing.ledger.service import TransfersRefused, balances, open_accounts, post, post_columns, verify
from rulebook.money import Amount

NOW = datetime(2026, 9, 15, 8, tzinfo=UTC)
DAY = date(2026, 9, 15)
CHART = [
    account(TRANSIT, Kind.FLOAT_AT_BANK),
    account(TRANSIT, Kind.VALUE_ON_CARDS),
    account(TRANSIT, Kind.AGENT_PREFUNDED, "a"),
    account(TRANSIT, Kind.AGENT_WITH_LIMIT, "b", limit_minor=50),
    account(TRANSIT, Kind.OPERATOR_PAYABLE, "o"),
]
FLOAT, VALUE, AGENT, LIMITED, OPERATOR = (a.code for a in CHART)


def transfer(name: str, debit: str, credit: str, fen: int, **fields: Any) -> Transfer:
    given = {"book": TRANSIT, "purpose": Purpose.LOAD, "business_day": DAY, **fields}
    return Transfer(id=name, debit=debit, credit=credit, amount=Amount(fen), **given)


PENDING = transfer("pending", AGENT, VALUE, 10, phase=Phase.PENDING)
BEFORE = [transfer("prefund", FLOAT, AGENT, 100), PENDING, transfer("old", AGENT, VALUE, 5, reference='"a",\n\\.')]

SIMPLE = st.builds(
    transfer,
    st.integers(0, 30).map("t{}".format),
    st.sampled_from([FLOAT, VALUE, AGENT, LIMITED, OPERATOR]),
    st.sampled_from([FLOAT, VALUE, AGENT, LIMITED, OPERATOR]),
    st.integers(0, 40),
    reference=st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=6),
)
FARE = st.builds(transfer, st.uuids().map(str), st.just(VALUE), st.just(OPERATOR), st.integers(1, 9))
UNUSUAL = st.sampled_from(
    [
        *BEFORE,
        replace(BEFORE[0], reference="another"),
        settling(PENDING, Phase.POST, id="post", business_day=DAY),
        settling(PENDING, Phase.VOID, id="void", business_day=DAY),
        settling(PENDING, Phase.EXPIRE, id="expire", business_day=DAY),
        transfer("expiring", AGENT, VALUE, 10, phase=Phase.PENDING, expires_on=DAY),
        transfer("missing", "fees", VALUE, 1),
        transfer("reserve", AGENT, VALUE, 60, phase=Phase.PENDING),
    ]
)
SETS = (
    st.lists(FARE, max_size=8, unique_by=lambda t: t.id)
    | st.lists(SIMPLE, max_size=8)
    | st.lists(SIMPLE | UNUSUAL, max_size=8)
)


@pytest.fixture
async def ledger(clearing_session: AsyncSession) -> AsyncSession:
    await open_accounts(clearing_session, CHART)
    await post(clearing_session, BEFORE, now=NOW)
    return clearing_session


@given(transfers=SETS)
@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
async def test_both_ways_decide_as_the_rules_do(ledger: AsyncSession, transfers: list[Transfer]) -> None:
    start = decide_all(BEFORE, Accounts({(a.book, a.code): Standing(a) for a in CHART}))[1]
    decisions, after = decide_all(transfers, start)
    wanted: Any = [d.repeated for d in decisions if isinstance(d, Posted)]
    if refused := [d for d in decisions if isinstance(d, Refused)]:
        wanted, after = tuple(refused), start
    for size, as_columns in ((10**9, False), (0, False), (0, True)):
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(service, "LARGE_SET", size)
            assert await outcome(ledger, transfers, as_columns) == (
                wanted,
                {s.account.code: s.counters for s in after.standings.values()},
                after.transfers,
            )


async def outcome(session: AsyncSession, transfers: list[Transfer], as_columns: bool) -> Any:
    """What was answered, the counters and all transfers afterwards; then taken back."""
    savepoint = await session.begin_nested()
    try:
        if as_columns:
            answer: Any = (await post_columns(session, columns_of(transfers), now=NOW)).tolist()
        else:
            answer = [posted.repeated for posted in await post(session, transfers, now=NOW)]
    except TransfersRefused as error:
        answer = error.refused
    counters = {s.account.code: s.counters for s in await balances(session, TRANSIT)}
    stored = {t.id: t for t in await queries.transfers(session, TRANSIT)}
    assert await verify(session, TRANSIT) == []
    await savepoint.rollback()
    return answer, counters, stored


async def test_a_plain_set_is_not_looked_at_one_by_one(ledger: AsyncSession, monkeypatch: pytest.MonkeyPatch) -> None:
    def never(*_: Any) -> None:
        raise AssertionError("looked at one by one")

    monkeypatch.setattr(service, "decide_all", never)
    fares = [transfer(f"f{n}", VALUE, OPERATOR, 2) for n in range(service.LARGE_SET)]
    assert await post(ledger, fares, now=NOW) == [Posted(t) for t in fares]
    (counters,) = [s.counters for s in await balances(ledger, TRANSIT) if s.account.code == OPERATOR]
    assert counters == Counters(credits_posted=2 * service.LARGE_SET)


async def test_a_plain_set_sent_again_is_a_repeat_row_by_row(ledger: AsyncSession) -> None:
    fares = columns_of([transfer(f"f{n}", VALUE, OPERATOR, 2) for n in range(20)])
    assert not (await post_columns(ledger, fares, now=NOW)).any()
    half = columns_of([transfer(f"f{n}", VALUE, OPERATOR, 2) for n in range(10, 30)])
    assert (await post_columns(ledger, half, now=NOW)).tolist() == [True] * 10 + [False] * 10
    assert await verify(ledger, TRANSIT) == []


async def test_a_set_of_columns_without_rows_is_nothing(ledger: AsyncSession) -> None:
    assert (await post_columns(ledger, columns_of([]), now=NOW)).tolist() == []


async def test_a_character_no_text_can_hold_is_refused_like_any_other_way(ledger: AsyncSession) -> None:
    fares = [transfer("f1", VALUE, OPERATOR, 2), transfer("f2", VALUE, OPERATOR, 2, reference="a\0b")]
    with pytest.raises(DBAPIError, match="invalid byte sequence"):
        await post_columns(ledger, columns_of(fares), now=NOW)
