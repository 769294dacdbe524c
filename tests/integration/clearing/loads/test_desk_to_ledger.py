"""A software card at a desk, over HTTP to clearing, into the ledger; the card pulled and answers lost on the way."""

from __future__ import annotations

import asyncio
import importlib.util
import sys
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from pydantic import SecretStr
from sqlalchemy import URL, NullPool
from sqlalchemy.ext.asyncio import AsyncSession

from backoffice.database import Database, prepare
from backoffice.migration import upgrade
from backoffice.settings import Settings
from clearing.app import create_app
from clearing.devices.tables import DeviceRow
from clearing.facts.service import apply_fact
from clearing.ledger.accounts import TRANSIT, Kind
from clearing.ledger.rules import Counters
from clearing.ledger.service import balances, verify
from hardware.vault.demonstration import CLEARING_LABELS
from hardware.vault.software import SoftwareVault
from rulebook.messages.facts import CardFact, CardState, FeedItem
from rulebook.money import Amount
from terminals.topup import Loaded, LoadUnknown, NotLoaded, Reason, TopUpDesk
from terminals.uplink import DeviceKey, Uplink

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # Starlette's test client announces its own future
    from fastapi.testclient import TestClient

NAME = "loads_desk_to_ledger"
NOW = datetime(2026, 9, 15, 2, tzinfo=UTC)
CREDIT = 6  # the card's step of CREDIT FOR LOAD


def _topup() -> ModuleType:
    """The card and the faults of the desk's unit tests."""
    path = Path(__file__).parents[3] / "unit" / "terminals" / "topup" / "conftest.py"
    spec = importlib.util.spec_from_file_location("topup_kit", path)
    assert spec is not None
    assert spec.loader is not None
    module = sys.modules["topup_kit"] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


kit: Any = _topup()


@dataclass
class Clearing:
    """The running service, and a look into its books."""

    client: TestClient
    url: URL

    def run(self, act: Callable[[AsyncSession], Any]) -> Any:
        async def inside() -> Any:
            database = Database(self.url, poolclass=NullPool)
            async with database.transaction() as session:
                answer = await act(session)
            await database.close()
            return answer

        return asyncio.run(inside())

    def counters(self) -> dict[Kind, Counters]:
        async def read(session: AsyncSession) -> dict[Kind, Counters]:
            assert await verify(session, TRANSIT) == []
            return {s.account.kind: s.counters for s in await balances(session, TRANSIT)}

        found: dict[Kind, Counters] = self.run(read)
        return found

    @property
    def value_on_cards(self) -> Counters:
        return self.counters()[Kind.VALUE_ON_CARDS]


async def _database(administrator: URL, role_urls: dict[str, URL]) -> None:
    await prepare(administrator, {role: str(url.password) for role, url in role_urls.items()}, NAME)
    await upgrade(role_urls["owner"].set(database=NAME), "clearing")


@pytest.fixture(scope="module")
def clearing(administrator: URL, role_urls: dict[str, URL]) -> Iterator[Clearing]:
    asyncio.run(_database(administrator, role_urls))
    url = role_urls["clearing"].set(database=NAME)
    settings = Settings(
        service_token=SecretStr("t" * 16),
        session_secret=SecretStr("s" * 16),
        simulated_clock=True,
        database_url=SecretStr(url.render_as_string(hide_password=False)),
    )
    app = create_app(settings, SoftwareVault.demonstration(CLEARING_LABELS))
    with TestClient(app, headers={"Citycard-Time": "2026-09-15T10:00:00+08:00"}) as client:
        yield Clearing(client, url)


@dataclass
class Desk:
    """One card of its own and a desk that clearing knows."""

    clearing: Clearing
    city: Any
    uplink: Uplink

    def at(self, *, silent_at: int = 99, acted: bool = False) -> TopUpDesk:
        """The desk, started anew from its journal."""
        host = kit.Silent(self.uplink.host, silent_at, acted)
        desk: TopUpDesk = self.city.desk("TOPUP-01", host=host)
        return desk

    def load(self, desk: TopUpDesk, fen: int, pulled_at: int = 99, executed: bool = False) -> Any:
        return desk.load(self.city.pulled(pulled_at, executed), Amount(fen), kit.PIN, NOW)


@pytest.fixture(scope="module")
def memory() -> bytes:
    content: bytes = kit.personalised()
    return content


@pytest.fixture
def desk(clearing: Clearing, memory: bytes, tmp_path: Path) -> Desk:

    key = DeviceKey.open(tmp_path, "TOPUP-01")

    async def enrol(session: AsyncSession) -> None:
        row = DeviceRow(
            device="TOPUP-01",
            kind="topup",
            operator="agent-1",
            line="",
            place="",
            state="enrolled",
            code_hash=b"",
            public_key=key.public,
            sam_serial=bytes(10),
            terminal_number=bytes.fromhex("991000000901"),
            invited_at=NOW,
        )
        await session.merge(row)
        await apply_fact(session, FeedItem(number=1, fact=CARD))

    clearing.run(enrol)
    card = kit.ByteCard(kit.Card(kit.CardMemory(memory), kit.random.Random(3).randbytes))
    city = kit.City(card, None, tmp_path)
    return Desk(clearing, city, Uplink("http://testserver", key, clearing.client))


CARD = CardFact(
    issuer=kit.ISSUER,
    serial=kit.SERIAL,
    chip_serial=kit.CHIP,
    person="p",
    product="citizen",
    rider_class="ordinary",
    key_version=1,
    valid_from=date(2026, 1, 1),
    valid_to=date(2036, 1, 1),
    purse_limit_minor=100_000,
    state=CardState.ACTIVE,
    effective=NOW,
)


def test_a_day_at_the_desk_ends_with_card_and_ledger_equal(desk: Desk) -> None:
    """One card, one story: each step begins where the one before it left card, desk and books."""
    agent = desk.clearing.counters()[Kind.AGENT_PREFUNDED].credits_posted

    assert isinstance(desk.load(desk.at(), 3000), Loaded)
    assert desk.clearing.value_on_cards == Counters(0, 3000, 0, 0)

    # The answer to the request is lost: reserved, not on the card. The next load, of another amount, voids it.
    lost = desk.load(desk.at(silent_at=0, acted=True), 700)
    assert lost == NotLoaded(reason=Reason.HOST_SILENT)
    assert desk.clearing.value_on_cards == Counters(0, 3000, 0, 700)
    assert isinstance(desk.load(desk.at(), 500), Loaded)
    assert desk.clearing.value_on_cards == Counters(0, 3500, 0, 0)

    # The card is pulled over CREDIT, which it still did: an open item until it comes again and proves it.
    assert desk.load(desk.at(), 1000, CREDIT, executed=True) == LoadUnknown(amount=Amount(1000))
    assert (desk.city.balance, desk.clearing.value_on_cards) == (4500, Counters(0, 3500, 0, 1000))
    assert isinstance(desk.load(desk.at(), 100), Loaded)
    assert desk.clearing.value_on_cards == Counters(0, 4600, 0, 0)

    # The confirmation is lost; the desk, started anew, finds the TAC in its journal.
    assert not desk.load(desk.at(silent_at=1), 400).confirmed
    assert desk.clearing.value_on_cards == Counters(0, 4600, 0, 400)
    assert desk.at().resend().waiting == 0
    assert desk.clearing.value_on_cards == Counters(0, 5000, 0, 0)

    # More than a card may hold: nothing moves.
    too_much = desk.load(desk.at(), 95_001)
    assert too_much.reason is Reason.PURSE_LIMIT_PASSED
    assert desk.city.balance == 5000
    assert desk.clearing.counters()[Kind.AGENT_PREFUNDED] == Counters(5000, agent, 0, 0)
