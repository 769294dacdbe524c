"""The clearing service over real PostgreSQL, with an issuing feed beside it and devices that really sign."""

from __future__ import annotations

import base64
import importlib.util
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType
from typing import Any

import httpx
import pytest
from argon2 import PasswordHasher
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from fastapi import FastAPI
from pydantic import SecretStr
from sqlalchemy import URL, text

from backoffice.clock import HEADER
from backoffice.database import Database, prepare
from backoffice.migration import upgrade
from backoffice.settings import Settings
from backoffice.staff import DemonstrationAccount
from clearing.app import create_app
from clearing.base import Base
from clearing.demonstration import ROLES
from clearing.participants.documents import DocumentKind
from hardware.vault.demonstration import CLEARING_LABELS
from hardware.vault.software import SoftwareVault
from rulebook.batch import seal
from rulebook.messages.devices import DeviceEnrolment
from rulebook.messages.facts import DenyListFact, Fact, FeedItem, FeedPage, InsuredFact
from rulebook.record import Record
from rulebook.tariff.demonstration import demonstration_document

TOKEN = "service-token-of-this-test"
NOW = "2026-09-15T22:00:00+08:00"
STAFF = {"wang": "first-person", "li": "second-person"}


def _town() -> ModuleType:
    """The small town of the unit tests; a conftest cannot be imported by name."""
    path = Path(__file__).parents[2] / "unit" / "clearing" / "conftest.py"
    spec = importlib.util.spec_from_file_location("clearing_town", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["clearing_town"] = module  # dataclasses look their module up
    spec.loader.exec_module(module)
    return module


TOWN = _town()


@dataclass
class Device:
    """A terminal: its key and the requests it signs."""

    name: str
    client: httpx.AsyncClient
    key: Ed25519PrivateKey = field(default_factory=Ed25519PrivateKey.generate)

    @property
    def public(self) -> bytes:
        return self.key.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)

    async def send(self, method: str, path: str, body: bytes = b"") -> httpx.Response:
        signature = base64.b64encode(self.key.sign(f"{method} {path}\n".encode() + body)).decode()
        media = "application/octet-stream" if path == "/batches" else "application/json"
        headers = {"Content-Type": media, "Citycard-Device": self.name, "Citycard-Signature": signature, HEADER: NOW}
        return await self.client.request(method, path, content=body, headers=headers)

    async def upload(self, number: int, records: list[Record]) -> httpx.Response:
        return await self.send("POST", "/batches", seal(self.name, number, records, self.key.sign))

    def enrolment(self, code: str, **changes: Any) -> DeviceEnrolment:
        draft = DeviceEnrolment(
            device=self.name,
            code=code,
            public_key=self.public,
            sam_serial=TOWN.sam_serial(self.name),
            terminal_number=TOWN.terminal(self.name),
            signature=b"",
        ).model_copy(update=changes)
        return draft.model_copy(update={"signature": self.key.sign(draft.signed_bytes())})


@dataclass
class House:
    """The running service and everything around it."""

    app: FastAPI
    town: Any
    facts: list[Fact]
    client: Callable[[], httpx.AsyncClient]
    database: Database
    devices: dict[str, Device] = field(default_factory=dict)

    async def pull(self) -> dict[str, Any]:
        async with self.client() as client:
            answer = await client.post("/feed/pull", headers={"Authorization": f"Bearer {TOKEN}", HEADER: NOW})
        assert answer.status_code == 200, answer.text
        found: dict[str, Any] = answer.json()
        return found

    @asynccontextmanager
    async def staff(self, name: str) -> AsyncIterator[httpx.AsyncClient]:
        async with self.client() as client:
            client.headers[HEADER] = NOW
            answer = await client.post("/sign-in", data={"name": name, "password": STAFF[name]})
            assert answer.status_code == 303, answer.text
            yield client

    async def invite(self, name: str) -> str:
        kind, operator = TOWN.DEVICES[name]
        body = {"device": name, "kind": kind, "operator": operator, "line": "B101", "place": "somewhere"}
        async with self.staff("wang") as staff:
            answer = await staff.post("/devices/invitations", json=body)
        assert answer.status_code == 201, answer.text
        code: str = answer.json()["code"]
        return code

    def device(self, name: str) -> Device:
        """A terminal of that name with a key of its own, not enrolled."""
        return Device(name, self.client())

    async def enrol(self, name: str) -> Device:
        device = self.device(name)
        enrolment = device.enrolment(await self.invite(name))
        answer = await device.send("POST", "/devices/enrolments", enrolment.model_dump_json().encode())
        assert answer.status_code == 200, answer.text
        self.devices[name] = device
        return device

    async def close(self, number: int = 1) -> dict[str, Any]:
        async with self.staff("wang") as first, self.staff("li") as second:
            proposed = await first.post(f"/windows/{number}/closing")
            assert proposed.status_code == 200, proposed.text
            approved = await second.post(f"/windows/{number}/approval")
            assert approved.status_code == 200, approved.text
        view: dict[str, Any] = approved.json()
        return view


def _issuing(facts: list[Fact]) -> FastAPI:
    app = FastAPI()

    @app.get("/feed")
    async def feed(after: int, limit: int) -> FeedPage:
        items = [FeedItem(number=number, fact=fact) for number, fact in enumerate(facts, 1)]
        return FeedPage(items=items[after : after + limit], last=len(items))

    return app


def _bus_tariff() -> dict[str, Any]:
    """The demonstration's bus lines without its network, which takes a while to lay out."""
    document = demonstration_document()
    discounts = [each for each in document["discounts"] if "entries" not in each.get("when", {})]
    return document | {"stations": [], "sections": [], "virtual_transfers": [], "discounts": discounts}


@pytest.fixture(autouse=True)
def _quick_passwords(monkeypatch: pytest.MonkeyPatch) -> None:
    """Argon2 is slow on purpose; here everybody signs in again and again."""
    monkeypatch.setattr("backoffice.staff._HASHER", PasswordHasher(time_cost=1, memory_cost=8, parallelism=1))


@pytest.fixture
def agreed() -> dict[DocumentKind, Any] | None:
    """What participants agreed on; without it, what the demonstration's did."""
    return None


@pytest.fixture
async def own_database(
    request: pytest.FixtureRequest, administrator: URL, role_urls: dict[str, URL]
) -> AsyncIterator[Database]:
    """A database named after the test module, emptied, where transactions are committed and meet."""
    name = request.path.stem
    await prepare(administrator, {role: str(url.password) for role, url in role_urls.items()}, name)
    owner = role_urls["owner"].set(database=name)
    await upgrade(owner, "clearing")
    emptying = Database(owner)
    async with emptying.transaction() as session:
        # What an earlier test left in a transaction is an error here and not a hang.
        await session.execute(text("SET LOCAL lock_timeout = '30s'"))
        await session.execute(text(f"TRUNCATE {', '.join(str(table) for table in Base.metadata.sorted_tables)}"))
    await emptying.close()
    database = Database(role_urls["clearing"].set(database=name))
    yield database
    await database.close()


@pytest.fixture
async def house(
    clearing_database: Database, tmp_path: Path, agreed: dict[DocumentKind, Any] | None
) -> AsyncIterator[House]:
    facts: list[Fact] = [TOWN.card_fact(card) for card in (1, 2, 3)]
    facts[1] = facts[1].model_copy(update={"rider_class": "student"})
    facts += [TOWN.sam_fact(name) for name in TOWN.DEVICES]
    facts.append(InsuredFact(person="p1", fund="employee-fund", insured_class="in_service", effective=TOWN.MORNING))
    issuing = httpx.AsyncClient(transport=httpx.ASGITransport(_issuing(facts)), base_url="http://issuing")
    settings = Settings(
        data_folder=tmp_path,
        service_token=SecretStr(TOKEN),
        session_secret=SecretStr("session-secret-of-this-test"),
        simulated_clock=True,
    )
    vault = SoftwareVault.demonstration(CLEARING_LABELS)
    app = create_app(
        settings,
        vault,
        database=clearing_database,
        issuing=issuing,
        staff={name: DemonstrationAccount(password, ROLES) for name, password in STAFF.items()},
        tariff=_bus_tariff(),
        agreed=agreed,
    )
    made: list[httpx.AsyncClient] = []

    def client() -> httpx.AsyncClient:
        made.append(httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://clearing"))
        return made[-1]

    async with app.router.lifespan_context(app):
        house = House(app, TOWN.Town(), facts, client, clearing_database)
        await house.pull()
        yield house
    for each in made:
        await each.aclose()
    await issuing.aclose()


@pytest.fixture
def denied() -> Callable[[int], DenyListFact]:
    def fact(card: int) -> DenyListFact:
        reported = TOWN.MORNING - TOWN.timedelta(hours=2)
        return DenyListFact(issuer=TOWN.ISSUER, serial=TOWN.serial(card), denied=True, reported_at=reported)

    return fact
