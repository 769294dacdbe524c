"""The console's page of medical settlements."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import httpx
from pydantic import SecretStr

from backoffice.database import Database
from backoffice.settings import Settings
from backoffice.web import Service, create_service_app
from clearing.base import accounts
from clearing.benefits.pages import router
from clearing.participants.rules import demonstration
from clearing.participants.service import publish_city
from rulebook.messages.medical import ItemClass


async def page(database: Database) -> tuple[httpx.Response, httpx.Response]:
    """Before and after signing in."""
    settings = Settings(service_token=SecretStr("t" * 16), session_secret=SecretStr("s" * 16))
    here = Service(
        name="clearing", title=("清算", "Clearing"), settings=settings, database=database, accounts=accounts, pages=[]
    )
    app = create_service_app(here)
    app.include_router(router)
    name, password = "clerk", "a long enough password"
    async with database.transaction() as session:
        await accounts.seed(session, name, password, ())
        await publish_city(session, demonstration(), now=datetime(2026, 9, 15, tzinfo=UTC))
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="https://clearing") as client:
        refused = await client.get("/visits")
        await client.post("/sign-in", data={"name": name, "password": password})
        return refused, await client.get("/visits")


async def test_settlements_are_explained_without_their_patients(counter: Any, clearing_database: Database) -> None:
    person = await counter.present()
    first = await counter.visit(person, [("3000", ItemClass.A)], visit="V1")
    await counter.send(first)
    second = await counter.visit(person, [("100", ItemClass.A)], visit="V2")
    await counter.send(second)
    await counter.send(counter.cancel_request(person, second.msgid, visit="V2"))
    refused, shown = await page(clearing_database)
    assert refused.status_code == 401
    assert "统筹基金（20000.00 元以内部分）：1200.00 元 × 70% = 840.00 元" in shown.text
    assert "taken back (2208)" in shown.text
    assert "2026-09-15 10:00:00" in shown.text
    assert f">{person}<" not in shown.text
