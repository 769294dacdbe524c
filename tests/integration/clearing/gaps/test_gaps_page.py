"""The page of gaps: whose, until when, and which are cases by now."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import httpx
import pytest
from argon2 import PasswordHasher
from pydantic import SecretStr

from backoffice.clock import HEADER
from backoffice.database import Database
from backoffice.settings import Settings
from backoffice.web import Service, create_service_app
from clearing.base import accounts
from clearing.gaps import pages, queries
from clearing.gaps.rules import FollowedGap, GapKind
from clearing.participants.rules import demonstration
from clearing.participants.service import publish_city
from rulebook.calendar import BUSINESS_ZONE

NOW = "2026-09-21T09:00:00+08:00"


@pytest.fixture
async def client(clearing_database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> httpx.AsyncClient:
    monkeypatch.setattr("backoffice.staff._HASHER", PasswordHasher(time_cost=1, memory_cost=8, parallelism=1))
    settings = Settings(
        service_token=SecretStr("service-token-of-this-test"),
        session_secret=SecretStr("session-secret-of-this-test"),
        simulated_clock=True,
        data_folder=tmp_path,
    )
    service = Service(
        name="clearing",
        title=("清算", "Clearing"),
        settings=settings,
        database=clearing_database,
        accounts=accounts,
        pages=(),
    )
    app = create_service_app(service)
    app.include_router(pages.router)
    async with clearing_database.transaction() as session:
        now = service.clock.now().astimezone(BUSINESS_ZONE)
        await publish_city(session, demonstration(), now=now)
        await accounts.seed(session, "wang", "password", ["settlement"])
    found = httpx.AsyncClient(
        transport=httpx.ASGITransport(app), base_url="http://clearing", headers={HEADER: NOW, "accept": "text/html"}
    )
    await found.post("/sign-in", data={"name": "wang", "password": "password"})
    return found


async def test_a_city_without_gaps_says_so(client: httpx.AsyncClient) -> None:
    page = await client.get("/gaps")
    assert page.status_code == 200
    assert "没有缺口" in page.text


async def test_a_late_gap_leads_to_its_case(client: httpx.AsyncClient, clearing_database: Database) -> None:
    opened = date(2026, 9, 15)
    late = FollowedGap(
        GapKind.JOURNAL, "BUS-A-0001", 3, 9, 1, "bus-a", opened, date(2026, 9, 18), missing=((3, 3), (5, 6))
    )
    card = FollowedGap(
        GapKind.CARD, "03109910000000000001", 7, 7, 1, "card-company", opened, date(2026, 9, 29), ((7, 7),)
    )
    async with clearing_database.transaction() as session:
        await queries.store(session, [late, card])
    page = (await client.get("/gaps")).text
    assert '<a href="/cases/gap:journal:BUS-A-0001:3-9">' in page
    assert "3, 5–6" in page
    assert page.count("逾期 overdue") == 1
    assert "03109910000000000001" in page
