"""Loads that come at once are taken as a set and answered as if each had come alone."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from datetime import UTC, date, datetime
from typing import Any

import pytest
from sqlalchemy.ext.asyncio import AsyncSession

from backoffice.database import Database
from card_os.crypto.purse import load_mac1, load_mac2
from card_os.crypto.session import load_session_key
from clearing.facts.service import apply_fact
from clearing.ledger.accounts import TRANSIT, Kind, account, code
from clearing.ledger.queries import standings
from clearing.ledger.rules import Counters, Purpose, Transfer
from clearing.ledger.service import open_accounts, post, verify
from clearing.loads import queries, together
from clearing.loads.service import LoadRefused, MalformedRequest
from clearing.loads.sets import Asked, authorise_set
from clearing.loads.together import LoadsTogether
from hardware.vault.demonstration import CLEARING_LABELS
from hardware.vault.software import SoftwareVault
from hardware.vault.vault import KeyLabel, MasterKey
from rulebook.messages.facts import CardFact, CardState, FeedItem
from rulebook.messages.loads import LoadAuthorised, LoadRefusal, LoadRequest
from rulebook.money import Amount

NOW = datetime(2026, 9, 15, 2, tzinfo=UTC)
DATE, TIME = bytes.fromhex("20260915"), bytes.fromhex("100000")
ISSUER, TERMINAL = bytes.fromhex("01991000FFFFFFFF"), bytes.fromhex("991000000901")
COVER, BALANCE = 10_000, 1000
VAULT = SoftwareVault.demonstration(CLEARING_LABELS)
CARDS = 8


def serial(card: int) -> bytes:
    return bytes.fromhex(f"03109910{card:012}")


def initialized(card: int, amount: int = 1000, random: int = 1, **changed: Any) -> tuple[LoadRequest, bytes]:
    """A request, and the MAC2 it may get."""
    key = VAULT.child_key(MasterKey(KeyLabel.LOAD, 1), [ISSUER, serial(card)[-8:]])
    session = load_session_key(key, card_random=random.to_bytes(4), online_sequence=5)
    mac1 = load_mac1(session, balance_minor=BALANCE, amount_minor=amount, transaction_type=2, terminal=TERMINAL)
    mac2 = load_mac2(session, amount_minor=amount, transaction_type=2, terminal=TERMINAL, date=DATE, time=TIME)
    request = LoadRequest(
        device="TOPUP-01",
        issuer=ISSUER,
        serial=serial(card),
        purse=2,
        online_sequence=5,
        amount_minor=amount,
        balance_minor=BALANCE,
        key_version=1,
        algorithm=0,
        random=random.to_bytes(4),
        mac1=mac1,
        terminal=TERMINAL,
        date=DATE,
        time=TIME,
    )
    return request.model_copy(update=changed), mac2


@pytest.fixture
async def database(clearing_database: Database) -> Database:
    async with clearing_database.transaction() as session:
        await open_accounts(
            session,
            [
                account(TRANSIT, Kind.FLOAT_AT_BANK),
                account(TRANSIT, Kind.VALUE_ON_CARDS),
                account(TRANSIT, Kind.AGENT_PREFUNDED, "agent-1"),
            ],
        )
        prefunding = Transfer(
            id="p",
            book=TRANSIT,
            debit=code(Kind.FLOAT_AT_BANK),
            credit=code(Kind.AGENT_PREFUNDED, "agent-1"),
            amount=Amount(COVER),
            purpose=Purpose.PREFUNDING,
            business_day=date(2026, 9, 15),
        )
        await post(session, [prefunding], now=NOW)
        for card in range(CARDS):
            await apply_fact(session, FeedItem(number=card + 1, fact=_fact(card)))
    return clearing_database


def _fact(card: int) -> CardFact:
    return CardFact(
        issuer=ISSUER,
        serial=serial(card),
        chip_serial=card.to_bytes(8),
        person=f"p{card}",
        product="citizen",
        rider_class="ordinary",
        key_version=1,
        valid_from=date(2026, 1, 1),
        valid_to=date(2036, 1, 1),
        purse_limit_minor=100_000,
        state=CardState.ACTIVE,
        effective=NOW,
    )


@pytest.fixture
def sets(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How many were taken in each set."""
    taken: list[int] = []

    async def counted(session: AsyncSession, vault: Any, asked: Sequence[Asked]) -> Any:
        taken.append(len(asked))
        return await authorise_set(session, vault, asked)

    monkeypatch.setattr(together, "authorise_set", counted)
    return taken


async def ask(loads: LoadsTogether, *requests: LoadRequest, agent: str = "agent-1") -> list[Any]:
    """All at once; answers and exceptions in order."""
    asked = (loads.authorise(request, agent=agent, now=NOW) for request in requests)
    return await asyncio.gather(*asked, return_exceptions=True)


async def reserved(database: Database) -> int:
    """Fen on loads in flight; the books must agree with themselves."""
    async with database.reading() as session:
        assert await verify(session, TRANSIT) == []
        every = {one.account.code: one.counters for one in await standings(session, TRANSIT)}
        open_loads = await queries.open_loads(session)
    agent: Counters = every[code(Kind.AGENT_PREFUNDED, "agent-1")]
    assert agent.debits_pending == sum(attempt.amount_minor for _, attempt in open_loads)
    return agent.debits_pending


async def test_loads_at_once_are_one_set_and_each_gets_its_own_mac2(database: Database, sets: list[int]) -> None:
    orders = [initialized(card) for card in range(6)]
    answers = await ask(LoadsTogether(database, VAULT), *(request for request, _ in orders))
    assert answers == [LoadAuthorised(mac2=mac2) for _, mac2 in orders]
    assert max(sets) > 1
    assert sum(sets) <= 6
    assert await reserved(database) == 6000


async def test_who_is_not_covered_is_refused_and_the_others_are_not(database: Database, sets: list[int]) -> None:
    amounts = [4000, 4000, 4000, 2000]
    orders = [initialized(card, amount) for card, amount in enumerate(amounts)]
    answers = await ask(LoadsTogether(database, VAULT), *(request for request, _ in orders))
    refused = LoadRefused(LoadRefusal.AGENT_WITHOUT_COVER)
    assert [answer == refused for answer in answers] == [False, False, True, False]
    assert sets
    assert await reserved(database) == COVER


async def test_each_refusal_is_its_own(database: Database, sets: list[int]) -> None:
    requests = [
        initialized(0)[0],
        initialized(1, mac1=bytes(4))[0],
        initialized(CARDS)[0],  # no such card
        initialized(2, purse=9)[0],
        initialized(3, 99_500)[0],
        initialized(4)[0],
    ]
    found = await ask(LoadsTogether(database, VAULT), *requests)
    assert [type(answer) for answer in (found[0], found[3], found[5])] == [
        LoadAuthorised,
        MalformedRequest,
        LoadAuthorised,
    ]
    assert [found[1].reason, found[2].reason, found[4].reason] == [
        LoadRefusal.MAC1_WRONG,
        LoadRefusal.CARD_UNKNOWN,
        LoadRefusal.PURSE_LIMIT_PASSED,
    ]
    assert sets
    assert await reserved(database) == 2000


async def test_an_unknown_agent_covers_nothing(database: Database) -> None:
    answers = await ask(LoadsTogether(database, VAULT), *(initialized(card)[0] for card in range(3)), agent="nobody")
    assert answers == [LoadRefused(LoadRefusal.AGENT_WITHOUT_COVER)] * 3


async def test_repeats_go_on_and_disproofs_end_as_if_each_came_alone(database: Database, sets: list[int]) -> None:
    loads = LoadsTogether(database, VAULT)
    first, again, other, new = initialized(0), initialized(0, random=2), initialized(1, 700, random=2), initialized(2)
    assert await ask(loads, first[0], initialized(1)[0]) == [
        LoadAuthorised(mac2=first[1]),
        LoadAuthorised(mac2=initialized(1)[1]),
    ]
    # The same INITIALIZE, a new random of the same amount, another amount (which voids), and another card's.
    answers = await ask(loads, first[0], other[0], new[0], again[0])
    assert answers == [LoadAuthorised(mac2=mac2) for mac2 in (first[1], other[1], new[1], again[1])]
    assert max(sets) >= 3
    assert await reserved(database) == 1000 + 700 + 1000


async def test_two_requests_of_one_card_are_not_in_one_set(database: Database) -> None:
    loads = LoadsTogether(database, VAULT)
    orders = [initialized(3, random=random) for random in range(1, 5)]
    answers = await ask(loads, *(request for request, _ in orders))
    assert answers == [LoadAuthorised(mac2=mac2) for _, mac2 in orders]
    assert await reserved(database) == 1000


async def test_a_set_that_fails_is_answered_one_by_one(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    async def broken(session: AsyncSession, vault: Any, asked: Sequence[Asked]) -> Any:
        await authorise_set(session, vault, asked)
        raise RuntimeError("the connection is gone")

    monkeypatch.setattr(together, "authorise_set", broken)
    orders = [initialized(card) for card in range(4)]
    answers = await ask(LoadsTogether(database, VAULT), *(request for request, _ in orders))
    assert answers == [LoadAuthorised(mac2=mac2) for _, mac2 in orders]
    assert await reserved(database) == 4000


async def test_who_went_away_does_not_stop_the_others(database: Database) -> None:
    loads = LoadsTogether(database, VAULT)
    orders = [initialized(card) for card in range(4)]
    tasks = [asyncio.create_task(loads.authorise(request, agent="agent-1", now=NOW)) for request, _ in orders]
    await asyncio.sleep(0)
    tasks[1].cancel()
    answers = await asyncio.gather(*tasks, return_exceptions=True)
    assert isinstance(answers[1], asyncio.CancelledError)
    assert [answers[card] for card in (0, 2, 3)] == [LoadAuthorised(mac2=orders[card][1]) for card in (0, 2, 3)]
    assert await reserved(database) in (3000, 4000)
