"""The copy of issuing's feed, in a real PostgreSQL, pulled over HTTP."""

from __future__ import annotations

from datetime import UTC, date, datetime
from typing import Any

import httpx
import pytest
from fastapi import FastAPI
from sqlalchemy.ext.asyncio import AsyncSession

from clearing.facts import queries
from clearing.facts.service import FeedBroken, FeedGap, apply_fact, pull
from rulebook.messages.facts import (
    CardFact,
    CardState,
    DenyListFact,
    Fact,
    FeedItem,
    FeedPage,
    InsuredFact,
    SamFact,
    SamState,
)

ISSUER = bytes.fromhex("01991000FFFFFFFF")
SERIAL = bytes.fromhex("03109910000000000001")
CHIP = bytes.fromhex("1122334455667788")
SAM = bytes.fromhex("00000000000000000007")
AT = datetime(2026, 9, 15, 1, tzinfo=UTC)


def _card(state: CardState = CardState.ACTIVE) -> CardFact:
    return CardFact(
        issuer=ISSUER,
        serial=SERIAL,
        chip_serial=CHIP,
        person="p1",
        product="citizen",
        rider_class="ordinary",
        key_version=1,
        valid_from=date(2026, 1, 1),
        valid_to=date(2036, 1, 1),
        purse_limit_minor=100000,
        state=state,
        effective=AT,
    )


FACTS: list[Fact] = [
    _card(),
    InsuredFact(person="p1", fund="employee-fund", insured_class="in_service", effective=AT),
    SamFact(
        sam_serial=SAM,
        terminal_number=bytes.fromhex("991000000001"),
        issuer=ISSUER,
        key_version=1,
        device="BUS-A-0001",
        operator="bus-a",
        state=SamState.BOUND,
    ),
    DenyListFact(issuer=ISSUER, serial=SERIAL, denied=True, reported_at=AT),
    _card(CardState.LOST),
]


def _issuing() -> httpx.AsyncClient:
    app = FastAPI()

    @app.get("/feed")
    async def feed(after: int, limit: int) -> FeedPage:  # two items a page, so that a pull needs several
        items = [FeedItem(number=number, fact=fact) for number, fact in enumerate(FACTS, 1)]
        return FeedPage(items=items[after : after + min(limit, 2)], last=len(items))

    return httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://issuing")


async def test_a_pull_takes_every_page_once(clearing_session: AsyncSession) -> None:
    async with _issuing() as client:
        assert await pull(clearing_session, client) == len(FACTS)
        assert await pull(clearing_session, client) == 0
    assert await queries.feed_position(clearing_session) == len(FACTS)


async def test_what_was_pulled_is_answered_as_the_feed_said_it(clearing_session: AsyncSession) -> None:
    async with _issuing() as client:
        await pull(clearing_session, client)
    assert await queries.card(clearing_session, ISSUER, SERIAL) == _card(CardState.LOST)
    assert await queries.card_by_chip(clearing_session, CHIP) == _card(CardState.LOST)
    assert await queries.cards(clearing_session, [(ISSUER, SERIAL), (ISSUER, bytes(10))]) == {
        (ISSUER, SERIAL): _card(CardState.LOST)
    }
    assert await queries.insured(clearing_session, "p1") == FACTS[1]
    assert await queries.sam(clearing_session, SAM) == FACTS[2]
    deny = await queries.deny_list(clearing_session)
    assert (deny.version, [entry.serial for entry in deny.entries()]) == (4, [SERIAL])


@pytest.mark.parametrize(
    ("page", "message"),
    [
        ({"items": [], "last": 2}, "the feed ends at 2, 5 was applied here before"),
        ({"items": [], "last": 9}, "the feed ends at 9 and gives nothing after 5"),
    ],
    ids=["went back", "stopped short"],
)
async def test_a_feed_that_cannot_go_on_is_told(
    clearing_session: AsyncSession, page: dict[str, Any], message: str
) -> None:
    async with _issuing() as client:
        await pull(clearing_session, client)
    transport = httpx.MockTransport(lambda _: httpx.Response(200, json=page))
    async with httpx.AsyncClient(transport=transport, base_url="http://issuing") as broken:
        with pytest.raises(FeedBroken, match=message):
            await pull(clearing_session, broken)
    assert await queries.feed_position(clearing_session) == len(FACTS)


async def test_what_never_came_is_not_known(clearing_session: AsyncSession) -> None:
    assert await queries.card(clearing_session, ISSUER, SERIAL) is None
    assert await queries.insured(clearing_session, "p1") is None


async def test_a_repeat_changes_nothing_and_a_gap_is_refused(clearing_session: AsyncSession) -> None:
    await apply_fact(clearing_session, FeedItem(number=1, fact=_card()))
    await apply_fact(clearing_session, FeedItem(number=1, fact=_card(CardState.LOST)))
    card = await queries.card(clearing_session, ISSUER, SERIAL)
    assert card is not None
    assert card.state is CardState.ACTIVE
    with pytest.raises(FeedGap, match="next item is 2, 4 came"):
        await apply_fact(clearing_session, FeedItem(number=4, fact=_card()))
