"""The issuing service in process, its two accounts signed in, chips from the factory."""

from __future__ import annotations

import hashlib
import json
import random
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

import httpx
import pytest
from argon2 import PasswordHasher
from fastapi import FastAPI

from backoffice import staff
from backoffice.clock import HEADER
from backoffice.database import Database
from backoffice.settings import Settings
from card_os.engine.bytecard import ByteCard
from card_os.engine.stock import blank_card
from hardware.readers.relay import answer
from hardware.vault.software import SoftwareVault
from hardware.vault.vault import KeyLabel, MasterKey
from issuing import demonstration
from issuing.app import create_app
from rulebook.numbers.citizen_id import check_character
from simulator.softcard.memory import CardMemory

SERVICE_TOKEN = "service-token-of-the-tests"
MORNING = "2026-09-15T06:00:00+08:00"


@pytest.fixture
def settings() -> Settings:
    return Settings(service_token=SERVICE_TOKEN, session_secret="s" * 32, simulated_clock=True)


@pytest.fixture
def vault() -> SoftwareVault:
    return SoftwareVault.demonstration(KeyLabel)


@pytest.fixture
async def app(
    settings: Settings, vault: SoftwareVault, issuing_database: Database, monkeypatch: pytest.MonkeyPatch
) -> FastAPI:
    # The real cost of a password hash is not what these tests are about, and they sign in a hundred times.
    monkeypatch.setattr(staff, "_HASHER", PasswordHasher(time_cost=1, memory_cost=8, parallelism=1))
    await demonstration.seed(issuing_database)
    return create_app(settings, vault, database=issuing_database)


SignIn = Callable[[str], Awaitable[httpx.AsyncClient]]


@pytest.fixture
async def sign_in(app: FastAPI) -> AsyncIterator[SignIn]:
    """A client signed in as one of the demonstration's accounts; "" is nobody."""
    clients: list[httpx.AsyncClient] = []

    async def signed_in(name: str) -> httpx.AsyncClient:
        transport = httpx.ASGITransport(app=app, raise_app_exceptions=False)
        client = httpx.AsyncClient(transport=transport, base_url="http://issuing", headers={HEADER: MORNING})
        clients.append(client)
        if name:
            password = demonstration.ACCOUNTS[name].password
            answer = await client.post("/sign-in", data={"name": name, "password": password})
            assert answer.status_code == 303, answer.text
        return client

    yield signed_in
    for client in clients:
        await client.aclose()


@pytest.fixture
async def clerk(sign_in: SignIn) -> httpx.AsyncClient:
    return await sign_in("issuing-clerk")


@pytest.fixture
async def approver(sign_in: SignIn) -> httpx.AsyncClient:
    return await sign_in("issuing-approver")


@dataclass
class Wire:
    """The counter's end in the same event loop: two coroutines for ``RelayedCard``, a card behind them. From message
    ``gone_at`` on the card is not there."""

    card: Any
    sent: int = 0
    gone_at: int = 1_000_000
    answers: list[str] = field(default_factory=list)

    async def send(self, text: str) -> None:
        self.sent += 1
        gone = self.sent >= self.gone_at
        self.answers.append(json.dumps({"gone": True} if gone else answer(json.loads(text), self.card)))

    async def receive(self) -> str:
        return self.answers.pop()


class Factory:
    """What comes to the office from outside: people, chips, and the counter's wire."""

    service_token = SERVICE_TOKEN

    def citizen_id(self, number: int, birth: str = "19900307") -> str:
        body = f"110101{birth}{number:03d}"
        return body + check_character(body)

    def register_file(self, count: int, *, start: int = 0, fund: str = "employee-fund") -> bytes:
        lines = ["citizen_id,name,nation,birth_place,student,insured_class,fund"]
        for number in range(start, start + count):
            name = "李明" + chr(0x4E00 + number)
            lines += [f"{self.citizen_id(number)},{name},01,110101,no,in_service,{fund}"]
        return "\n".join(lines).encode()

    def chip_serial(self, number: int) -> bytes:
        return hashlib.sha256(f"chip {number}".encode()).digest()[:8]

    def blank(self, number: int) -> ByteCard:
        """As the maker sends it: transport keys of the visible test master."""
        serial = self.chip_serial(number)
        vault = SoftwareVault.demonstration([KeyLabel.TRANSPORT])
        transport = vault.child_key(MasterKey(KeyLabel.TRANSPORT), [serial])
        return ByteCard(blank_card(CardMemory(), serial, transport, random.Random(number).randbytes))

    def wire(self, card: Any, *, gone_at: int = 1_000_000) -> Wire:
        return Wire(card, gone_at=gone_at)

    def applications(self, count: int) -> dict[str, Any]:
        rows = [{"application": f"A-{n:03d}", "citizen_id": self.citizen_id(n)} for n in range(count)]
        return {"applications": rows}

    def delivery(self, kind: str, numbers: range) -> dict[str, Any]:
        serials = [self.chip_serial(number).hex() for number in numbers]
        return {"delivery": f"D-{kind}-{numbers.start}", "kind": kind, "chip_serials": serials}


@pytest.fixture
def factory() -> Factory:
    return Factory()
