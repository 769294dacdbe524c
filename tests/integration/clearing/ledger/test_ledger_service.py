"""The ledger on a real PostgreSQL, as role clearing."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import text
from sqlalchemy.exc import IntegrityError, ProgrammingError
from sqlalchemy.ext.asyncio import AsyncSession

from clearing.ledger import queries
from clearing.ledger.accounts import TRANSIT, Kind, account, code
from clearing.ledger.chain import GENESIS, chain
from clearing.ledger.rules import Counters, Phase, Posted, Purpose, Refusal, Refused, Transfer, settling
from clearing.ledger.service import (
    AccountDiffers,
    ConcurrentRepeat,
    TransfersRefused,
    balances,
    chain_faults,
    close_chain,
    expire,
    open_account,
    open_accounts,
    post,
    verify,
)
from rulebook.money import Amount

NOW = datetime(2026, 9, 15, 8, tzinfo=UTC)
DAY = date(2026, 9, 15)
FLOAT, VALUE, OPEN_TAPS = code(Kind.FLOAT_AT_BANK), code(Kind.VALUE_ON_CARDS), code(Kind.OPEN_TAPS)
AGENT, BUS = code(Kind.AGENT_PREFUNDED, "agent-1"), code(Kind.OPERATOR_PAYABLE, "bus-a")


def transfer(name: str, debit: str, credit: str, fen: int, **fields: Any) -> Transfer:
    given = {"book": TRANSIT, "purpose": Purpose.LOAD, "business_day": DAY, **fields}
    return Transfer(id=name, debit=debit, credit=credit, amount=Amount(fen), **given)


@pytest.fixture
async def ledger(clearing_session: AsyncSession) -> AsyncSession:
    kinds = (Kind.FLOAT_AT_BANK, Kind.VALUE_ON_CARDS, Kind.OPEN_TAPS)
    await open_accounts(clearing_session, [account(TRANSIT, kind) for kind in kinds])
    await open_accounts(
        clearing_session,
        [account(TRANSIT, Kind.AGENT_PREFUNDED, "agent-1"), account(TRANSIT, Kind.OPERATOR_PAYABLE, "bus-a")],
    )
    await post(clearing_session, [transfer("prefund", FLOAT, AGENT, 1000, purpose=Purpose.PREFUNDING)], now=NOW)
    return clearing_session


async def counters(session: AsyncSession, account_code: str) -> Counters:
    return next(s.counters for s in await balances(session, TRANSIT) if s.account.code == account_code)


async def test_counters_of_both_accounts_move(ledger: AsyncSession) -> None:
    await post(ledger, [transfer("a", AGENT, VALUE, 300), transfer("b", VALUE, BUS, 200)], now=NOW)
    assert await counters(ledger, AGENT) == Counters(300, 1000, 0, 0)
    assert await counters(ledger, VALUE) == Counters(200, 300, 0, 0)
    assert await counters(ledger, BUS) == Counters(0, 200, 0, 0)
    assert await verify(ledger, TRANSIT) == []


async def test_a_repeat_changes_nothing(ledger: AsyncSession) -> None:
    once = transfer("a", AGENT, VALUE, 300)
    await post(ledger, [once], now=NOW)
    assert await post(ledger, [once, once], now=NOW) == [Posted(once, True)] * 2
    assert await counters(ledger, VALUE) == Counters(0, 300, 0, 0)


async def test_one_refused_transfer_stores_none_of_its_set(ledger: AsyncSession) -> None:
    good, bad = transfer("a", AGENT, VALUE, 300), transfer("b", AGENT, VALUE, 701)
    with pytest.raises(TransfersRefused) as refused:
        await post(ledger, [good, bad], now=NOW)
    assert refused.value.refused == (Refused(bad, Refusal.DEBIT_ACCOUNT_WOULD_BE_OVERDRAWN),)
    assert await queries.transfers_by_id(ledger, ["a", "b"]) == {}
    assert await counters(ledger, AGENT) == Counters(0, 1000, 0, 0)


@pytest.mark.parametrize(("phase", "value"), [(Phase.POST, Counters(0, 400)), (Phase.VOID, Counters())])
async def test_a_pending_transfer_is_settled_once(ledger: AsyncSession, phase: Phase, value: Counters) -> None:
    pending = transfer("p", AGENT, VALUE, 400, phase=Phase.PENDING)
    await post(ledger, [pending], now=NOW)
    assert await counters(ledger, VALUE) == Counters(credits_pending=400)
    await post(ledger, [settling(pending, phase, id="p/settled", business_day=DAY)], now=NOW)
    assert await counters(ledger, VALUE) == value
    with pytest.raises(TransfersRefused, match="already"):
        await post(ledger, [settling(pending, Phase.POST, id="p/again", business_day=DAY)], now=NOW)
    assert await verify(ledger, TRANSIT) == []


async def test_every_field_comes_back_as_it_was_stored(ledger: AsyncSession) -> None:
    full = transfer("a", AGENT, VALUE, 1, phase=Phase.PENDING, reference="a card’s load 充值")
    posted = settling(full, Phase.POST, id="a/post", business_day=date(2026, 9, 16))
    await post(ledger, [full, posted], now=NOW)
    assert await queries.transfers_by_id(ledger, ["a", "a/post"]) == {"a": full, "a/post": posted}


async def test_opening_an_account_twice_is_harmless_and_otherwise_refused(ledger: AsyncSession) -> None:
    limited = account(TRANSIT, Kind.AGENT_WITH_LIMIT, "agent-2", limit_minor=500)
    await open_account(ledger, limited)
    await open_account(ledger, limited)
    with pytest.raises(AccountDiffers):
        await open_account(ledger, replace(limited, limit_minor=501))


async def test_an_agent_with_a_limit_may_go_to_it_and_not_beyond(ledger: AsyncSession) -> None:
    await open_account(ledger, account(TRANSIT, Kind.AGENT_WITH_LIMIT, "agent-2", limit_minor=500))
    agent = code(Kind.AGENT_WITH_LIMIT, "agent-2")
    await post(ledger, [transfer("a", agent, VALUE, 500)], now=NOW)
    with pytest.raises(TransfersRefused, match="overdrawn"):
        await post(ledger, [transfer("b", agent, VALUE, 1)], now=NOW)


async def test_windows_are_chained_one_after_the_other(ledger: AsyncSession) -> None:
    one, two = transfer("b", AGENT, VALUE, 1), transfer("a", AGENT, VALUE, 2)
    await post(ledger, [one, two], now=NOW)
    first = await close_chain(ledger, TRANSIT, 1)
    assert [link.transfer_id for link in first] == ["a", "b", "prefund"]
    assert await close_chain(ledger, TRANSIT, 1) == []
    three = transfer("0", AGENT, VALUE, 3)
    await post(ledger, [three], now=NOW)
    assert await close_chain(ledger, TRANSIT, 2) == chain([three], first[-1])
    assert [link.number for link, _ in await queries.links(ledger, TRANSIT)] == [1, 2, 3, 4]
    assert [t for _, t in await queries.links(ledger, TRANSIT, 2)] == [three]
    assert await verify(ledger, TRANSIT) == []


async def test_verify_finds_a_counter_that_does_not_follow_from_the_transfers(ledger: AsyncSession) -> None:
    await ledger.execute(text("UPDATE clearing.ledger_account SET credits_posted = 1001 WHERE code = :c"), {"c": AGENT})
    found = [fault.what for fault in await verify(ledger, TRANSIT)]
    assert any(AGENT in fault and "1001" in fault for fault in found)
    assert "debits do not equal credits" in found


async def test_verify_finds_a_link_that_does_not_follow(ledger: AsyncSession) -> None:
    await ledger.execute(
        text("INSERT INTO clearing.ledger_link VALUES ('transit', 1, 1, 'prefund', :hash)"), {"hash": GENESIS.hash}
    )
    assert [fault.what for fault in await verify(ledger, TRANSIT)] == [
        "chain: link 1 (prefund) does not follow from link 0"
    ]


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE clearing.ledger_transfer SET amount_minor = 1",
        "DELETE FROM clearing.ledger_transfer",
        "TRUNCATE clearing.ledger_transfer CASCADE",
        "UPDATE clearing.ledger_link SET number = 2",
        "DELETE FROM clearing.ledger_link",
        "DELETE FROM clearing.ledger_account",
        "UPDATE clearing.ledger_account SET limit_rule = 'none'",
        "UPDATE clearing.ledger_account SET kind = 'fees'",
        "ALTER TABLE clearing.ledger_account DROP CONSTRAINT ck_ledger_account_counters_not_negative",
    ],
)
async def test_the_service_may_not_change_what_was_written(ledger: AsyncSession, statement: str) -> None:
    with pytest.raises(ProgrammingError, match=r"permission denied|must be owner"):
        await ledger.execute(text(statement))


_ROW = {"id": "x", "debit": AGENT, "credit": VALUE, "amount": 1, "phase": "single", "pending": None, "expires": None}


@pytest.mark.parametrize(
    ("fields", "constraint"),
    [
        ({"id": ""}, "id_given"),
        ({"amount": 0}, "amount_above_zero"),
        ({"amount": -1}, "amount_above_zero"),
        ({"credit": AGENT}, "accounts_different"),
        ({"phase": "post"}, "settles_what_it_names"),
        ({"pending": "prefund"}, "settles_what_it_names"),
        ({"phase": "expire"}, "settles_what_it_names"),
        ({"phase": "later"}, "phase_known"),
        ({"expires": DAY}, "only_pending_expires"),
        ({"phase": "post", "pending": "nothing"}, "fk_ledger_transfer"),
        ({"id": "prefund"}, "pk_ledger_transfer"),
    ],
)
async def test_the_database_repeats_the_rules(ledger: AsyncSession, fields: dict[str, Any], constraint: str) -> None:
    insert = text(
        "INSERT INTO clearing.ledger_transfer (id, book, debit, credit, amount_minor, currency, purpose, business_day,"
        " phase, pending_id, reference, recorded_at, expires_on) VALUES (:id, 'transit', :debit, :credit, :amount, 'CNY',"
        " 'load', '2026-09-15', :phase, :pending, '', now(), :expires)"
    )
    with pytest.raises(IntegrityError, match=constraint):
        await ledger.execute(insert, {**_ROW, **fields})


async def test_the_database_refuses_a_second_settlement(ledger: AsyncSession) -> None:
    pending = transfer("p", AGENT, VALUE, 400, phase=Phase.PENDING)
    await post(ledger, [pending, settling(pending, Phase.VOID, id="p/void", business_day=DAY)], now=NOW)
    with pytest.raises(IntegrityError, match="settled_once"):
        await queries.insert_transfers(ledger, [settling(pending, Phase.POST, id="p/post", business_day=DAY)], NOW)


@pytest.mark.parametrize(
    ("account_code", "column", "constraint"),
    [
        (AGENT, "debits_pending", "debits_must_not_exceed_credits"),
        (FLOAT, "credits_posted", "credits_must_not_exceed_debits"),
    ],
)
async def test_the_database_repeats_the_limits(
    ledger: AsyncSession, account_code: str, column: str, constraint: str
) -> None:
    with pytest.raises(IntegrityError, match=constraint):
        await ledger.execute(
            text(f"UPDATE clearing.ledger_account SET {column} = 1001 WHERE code = :code"), {"code": account_code}
        )


async def test_an_id_stored_meanwhile_by_somebody_else_is_told(
    ledger: AsyncSession, monkeypatch: pytest.MonkeyPatch
) -> None:
    taken = transfer("prefund", OPEN_TAPS, VALUE, 1)

    async def not_seen(*_: object) -> dict[str, Transfer]:
        return {}

    await post(ledger, [transfer("held", VALUE, OPEN_TAPS, 5)], now=NOW)
    monkeypatch.setattr(queries, "transfers_by_id", not_seen)
    with pytest.raises(ConcurrentRepeat):
        await post(ledger, [taken], now=NOW)


async def test_what_is_due_expires_once_and_nothing_else_does(ledger: AsyncSession) -> None:
    load = transfer("load", AGENT, VALUE, 100, phase=Phase.PENDING)
    due, later, posted = (
        transfer(name, AGENT, VALUE, 100, phase=Phase.PENDING, expires_on=DAY + timedelta(days=days))
        for name, days in (("due", 0), ("later", 2), ("posted", 0))
    )
    settled = settling(posted, Phase.POST, id="posted/post", business_day=DAY)
    await post(ledger, [load, due, later, posted, settled], now=NOW)
    gone = settling(due, Phase.EXPIRE, id="due:expired", business_day=DAY + timedelta(days=1))
    assert await expire(ledger, today=gone.business_day, now=NOW) == [Posted(gone)]
    assert await expire(ledger, today=gone.business_day, now=NOW) == []
    assert await counters(ledger, AGENT) == Counters(100, 1000, 200, 0)
    assert await queries.transfers_by_id(ledger, ["due", "due:expired"]) == {"due": due, "due:expired": gone}
    assert await verify(ledger, TRANSIT) == []


async def test_an_expired_reservation_is_chained_like_any_other(ledger: AsyncSession) -> None:
    due = transfer("due", AGENT, VALUE, 100, phase=Phase.PENDING, expires_on=DAY)
    await post(ledger, [due], now=NOW)
    await expire(ledger, today=DAY, now=NOW)
    links = await close_chain(ledger, TRANSIT, 1)
    assert await chain_faults(ledger, TRANSIT) == (links[-1], [])
    assert {link.transfer_id for link in links} == {"prefund", "due", "due:expired"}


async def test_what_stood_on_an_account_at_a_time_in_the_past(ledger: AsyncSession) -> None:
    later = NOW + timedelta(hours=1)
    await post(ledger, [transfer("a", AGENT, VALUE, 300)], now=later)
    pending = transfer("p", VALUE, BUS, 100, phase=Phase.PENDING)
    await post(ledger, [pending], now=later)
    await post(ledger, [settling(pending, Phase.POST, id="q", business_day=DAY)], now=later + timedelta(hours=1))

    async def at(moment: datetime) -> dict[str, Counters]:
        return {s.account.code: s.counters for s in await queries.standings_at(ledger, TRANSIT, moment)}

    before = await at(NOW - timedelta(seconds=1))
    assert set(before.values()) == {Counters()}
    assert (await at(NOW))[AGENT] == Counters(0, 1000, 0, 0)
    middle = await at(later)
    assert (middle[VALUE], middle[BUS]) == (Counters(0, 300, 100, 0), Counters(0, 0, 0, 100))
    now = await at(later + timedelta(days=1))
    assert now == {s.account.code: s.counters for s in await balances(ledger, TRANSIT)}


async def test_a_long_chain_is_read_in_parts(ledger: AsyncSession, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("clearing.ledger.service.LINKS_AT_ONCE", 2)
    await post(ledger, [transfer(f"t{number}", AGENT, VALUE, 1) for number in range(6)], now=NOW)
    links = await close_chain(ledger, TRANSIT, 1)
    told: list[int] = []
    assert await chain_faults(ledger, TRANSIT, told.append) == (links[-1], [])
    assert told == [2, 2, 2, 1]


async def test_a_transfer_whose_account_is_not_there_is_named(ledger: AsyncSession) -> None:
    """Written past ``post``, which looks under the accounts' locks."""
    await ledger.execute(
        text(
            "INSERT INTO clearing.ledger_transfer (id, book, debit, credit, amount_minor, currency, purpose, business_day,"
            " phase, reference, recorded_at) VALUES ('x', 'transit', 'nobody', 'fees', 1, 'CNY', 'fee', '2026-09-15',"
            " 'single', '', now())"
        )
    )
    assert [d.what for d in await verify(ledger, TRANSIT)] == [
        "account fees: transfers name it and it is not there",
        "account nobody: transfers name it and it is not there",
    ]
