"""PostgreSQL takes 32,767 arguments: a city has more people, transfers and open taps than that."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from clearing.cases import queries as cases
from clearing.cases.rules import open_tap
from clearing.cases.service import open_cases
from clearing.exchange import queries as exchange
from clearing.intake.set_queries import standing_of
from clearing.intake.store import RawStore
from clearing.ledger import queries as ledger
from clearing.ledger.accounts import TRANSIT
from clearing.participants.service import open_personal_accounts
from clearing.reconciliation import queries as reconciliation
from clearing.settlement import queries as settlement
from clearing.verification.context import TransactionId
from rulebook.batch import BatchHeader
from rulebook.calendar import calendar_named

MANY = 32_768
NOW = datetime(2026, 9, 15, 8, tzinfo=UTC)
NAMES = [f"nobody-{number}" for number in range(MANY)]
TAPS = [TransactionId(bytes(8), number.to_bytes(10), 2, False, 1) for number in range(MANY)]


@pytest.mark.parametrize(
    "asked",
    [
        lambda session: ledger.accounts(session, [(TRANSIT, name) for name in NAMES]),
        lambda session: reconciliation.allocated(session, "booked", NAMES),
        lambda session: reconciliation.entries(session, "1", NAMES),
        lambda session: reconciliation.failures(session, NAMES),
        lambda session: exchange.adjusted(session, NAMES),
        lambda session: cases.known_ids(session, NAMES),
        lambda session: cases.decided_taps(session, TAPS),
        lambda session: settlement.exceptions_of(session, TAPS),
    ],
    ids=["accounts", "allocated", "entries", "failures", "adjusted", "known-cases", "decided-taps", "exceptions"],
)
async def test_nobody_is_found_among_many(house: Any, asked: Callable[[AsyncSession], Any]) -> None:
    async with house.database.reading() as session:
        assert not await asked(session)


async def test_a_bundle_of_many_small_batches_is_looked_up(house: Any, tmp_path: Path) -> None:
    headers = [BatchHeader("BUS-A-0001", number, number, number, 1, 100) for number in range(1, MANY)]
    async with house.database.transaction() as session:
        (standing,) = (await standing_of(session, RawStore(tmp_path), headers)).values()
    assert standing.known == {}


async def test_every_insured_person_gets_an_account_once(house: Any) -> None:
    async with house.database.transaction() as session:
        of_fund = "SELECT 'person-' || i, i, 'employee-fund', 'in_service', :now FROM generate_series(1, :many) AS i"
        insert = f"INSERT INTO clearing.insured_fact (person, number, fund, insured_class, effective) {of_fund}"
        await session.execute(text(insert), {"now": NOW, "many": MANY})
        assert await open_personal_accounts(session, now=NOW) == MANY
        assert await open_personal_accounts(session, now=NOW) == 0


async def test_a_case_that_is_known_is_found_among_many(house: Any) -> None:
    subjects = [open_tap(str(tap), 200, serial="0310", operator="bus-a", keeper="card-company") for tap in TAPS]
    calendar = calendar_named("china")
    async with house.database.transaction() as session:
        (known,) = await open_cases(session, subjects[-1:], calendar=calendar, actor="clearing", now=NOW)
        assert await cases.known_ids(session, (str(tap) for tap in TAPS)) == {known}
