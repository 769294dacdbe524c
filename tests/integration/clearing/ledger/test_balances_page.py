"""The page "balances as of" over the running service."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr

from backoffice.settings import Settings
from clearing.app import create_app
from clearing.ledger import queries
from clearing.ledger.accounts import TRANSIT, Kind, code
from clearing.ledger.rules import Purpose, Transfer
from clearing.ledger.service import close_chain, post
from clearing.ledger.sheet import position_of_float
from hardware.vault.demonstration import CLEARING_LABELS
from hardware.vault.software import SoftwareVault
from rulebook.money import Amount

VALUE, BUS = code(Kind.VALUE_ON_CARDS), code(Kind.OPERATOR_PAYABLE, "bus-a")
NOON = datetime(2020, 1, 15, 4, tzinfo=UTC)


@pytest.fixture
async def moved(house: Any) -> Any:
    """1,234.56 yuan at a noon long before anything else, chained as window 1, and as much again afterwards in no window."""

    def fare(name: str) -> Transfer:
        return Transfer(
            id=name,
            book=TRANSIT,
            debit=VALUE,
            credit=BUS,
            amount=Amount(123456),
            purpose=Purpose.FARE,
            business_day=date(2020, 1, 15),
        )

    async with house.database.transaction() as session:
        await post(session, [fare("a")], now=NOON)
        await close_chain(session, TRANSIT, 1, only={"a"})
        await post(session, [fare("b")], now=datetime(2020, 1, 15, 5, tzinfo=UTC))
    return house


async def shown(house: Any, query: str) -> tuple[int, str]:
    async with house.staff("wang") as staff:
        answer = await staff.get(f"/balances{query}")
    return answer.status_code, answer.text


@pytest.mark.parametrize(
    ("query", "balance"),
    [
        ("?at=2020-01-15T11:59:59", "0.00"),
        ("?at=2020-01-15T12:00", "1234.56"),
        ("?at=2020-01-15T12:59:59&book=transit", "1234.56"),
        ("?at=2020-01-15T04:00:00Z", "1234.56"),
        ("?at=2020-01-15T13:00", "2469.12"),
        ("?window=1", "1234.56"),
    ],
)
async def test_what_stood_on_an_account(moved: Any, query: str, balance: str) -> None:
    status, page = await shown(moved, query)
    assert status == 200
    (row,) = [line for line in page.splitlines() if f'title="{BUS}"' in line]
    assert row.count(f">{balance}<") == (2 if balance != "0.00" else 4)
    assert "does not balance" not in page


async def test_one_book_is_shown_alone(moved: Any) -> None:
    status, page = await shown(moved, "?book=transit")
    assert status == 200
    assert "fund-pool" not in page
    assert "fund-pool" in (await shown(moved, ""))[1]


@pytest.mark.parametrize(
    ("query", "said"),
    [("?book=nobody", "no such book"), ("?window=9", "Window 9 is not closed")],
    ids=["book", "window"],
)
async def test_what_is_not_there_is_said(moved: Any, query: str, said: str) -> None:
    status, page = await shown(moved, query)
    assert status == 404
    assert said in page


@pytest.mark.parametrize("path", ["/accounts", "/balances"])
async def test_people_are_one_line_and_nobody_is_named(house: Any, path: str) -> None:
    async with house.staff("wang") as staff:
        page = (await staff.get(path)).text
    (row,) = [line for line in page.splitlines() if "个人账户" in line]
    assert "1 户合计" in row
    assert row.count(">600.00<") == 2  # credits and balance
    assert "personal-account:" not in page


async def test_it_stands_in_the_navigation(moved: Any) -> None:
    assert '<a href="/balances" aria-current="page">历史余额' in (await shown(moved, ""))[1]


async def test_nobody_sees_it_who_is_not_signed_in(moved: Any) -> None:
    async with moved.client() as client:
        assert (await client.get("/balances")).status_code in {303, 401}


async def test_the_openings_of_a_simulated_city_are_of_its_own_time(clearing_database: Any, tmp_path: Path) -> None:
    settings = Settings(
        data_folder=tmp_path,
        service_token=SecretStr("t" * 16),
        session_secret=SecretStr("s" * 16),
        simulated_clock=True,
        simulated_start=NOON,
    )
    vault = SoftwareVault.demonstration(CLEARING_LABELS)
    app = create_app(settings, vault, database=clearing_database)
    async with app.router.lifespan_context(app), clearing_database.reading() as session:
        then = await queries.standings_at(session, TRANSIT, NOON)
        assert then == await queries.standings(session, TRANSIT)
        assert position_of_float(then).held > 0
        assert position_of_float(await queries.standings_at(session, TRANSIT, NOON - timedelta(seconds=1))).held == 0
