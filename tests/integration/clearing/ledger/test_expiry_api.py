"""Reservations given back over HTTP, and never a load's."""

from __future__ import annotations

from datetime import UTC, date, datetime
from typing import Any

import pytest

from clearing.ledger import queries
from clearing.ledger.accounts import TRANSIT, Kind, code
from clearing.ledger.rules import Phase, Purpose, Transfer
from clearing.ledger.service import post
from rulebook.money import Amount


def reserved(name: str, expires_on: date | None) -> Transfer:
    return Transfer(
        id=name,
        book=TRANSIT,
        debit=code(Kind.AGENT_PREFUNDED, "agent-1"),
        credit=code(Kind.VALUE_ON_CARDS),
        amount=Amount(500),
        purpose=Purpose.ADJUSTMENT,
        business_day=date(2026, 9, 14),
        phase=Phase.PENDING,
        expires_on=expires_on,
    )


@pytest.fixture
async def waiting(house: Any) -> Any:
    """The house's day is 2026-09-15."""
    kept = [reserved("due", date(2026, 9, 15)), reserved("later", date(2026, 9, 16)), reserved("load", None)]
    async with house.database.transaction() as session:
        await post(session, kept, now=datetime(2026, 9, 14, tzinfo=UTC))
    return house


async def test_what_is_due_is_given_back_once(waiting: Any) -> None:
    async with waiting.staff("wang") as staff:
        first, second = [(await staff.post("/reservations/expiry")).json() for _ in range(2)]
    assert (first, second) == ({"pending": ["due"]}, {"pending": []})
    async with waiting.database.reading() as session:
        standings = await queries.standings(session, TRANSIT)
    (agent,) = [s for s in standings if s.account.code == code(Kind.AGENT_PREFUNDED, "agent-1")]
    assert agent.counters.debits_pending == 1_000


async def test_a_stranger_cannot_ask_for_it(waiting: Any) -> None:
    async with waiting.client() as client:
        assert (await client.post("/reservations/expiry")).status_code == 401
