"""Two cities: the clearing service over real PostgreSQL, and the neighbour's office beside it."""

from __future__ import annotations

import base64
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import date, datetime
from pathlib import Path
from typing import Any

import httpx
import pytest

from backoffice.clock import HEADER
from card_os.crypto.suites import TRIPLE_DES
from clearing.cases.queries import waiting
from clearing.exchange.keys import CentreKey
from clearing.exchange.packing import Claimed
from clearing.ledger.service import balances, verify
from clearing.verification.joining import Claim
from clearing.verification.tac import TAC_MASTER, tac_input
from rulebook.calendar import BUSINESS_ZONE
from rulebook.record import Record
from simulator.city.neighbour import CENTRE, KEY, Office
from simulator.city.neighbour_cards import ISSUER

PASSWORDS = {"wang": "first-person", "li": "second-person"}
EVENING = datetime(2026, 9, 15, 22, tzinfo=BUSINESS_ZONE)


@dataclass
class Cities:
    """``house`` is ours, ``office`` the other one's."""

    house: Any
    office: Office
    now: datetime = EVENING

    def foreign_ride(self, card: int, sequence: int, **fields: Any) -> Record:
        """A card of the other city on one of our buses."""
        intent = self.house.town.intent(card, sequence, issuer=ISSUER, **fields)
        key = self.office.vault.child_key(TAC_MASTER, [ISSUER, intent.serial[2:]])
        outcome: Record = self.house.town.outcome(intent, tac=TRIPLE_DES.tac(key, tac_input(intent)))
        return outcome

    def ride_elsewhere(self, card: int, sequence: int, *, flipped: bool = False, **fields: Any) -> Claimed:
        """One of our cards on a bus of the other city."""
        _, outcome = self.house.town.tap(card, sequence, device="GATE-1", **self._there(fields))
        if flipped:
            outcome = self.house.town.outcome(outcome, tac=bytes(4))
        return Claimed(Claim(outcome, outcome), "n-bus", date(2026, 9, 15))

    def _there(self, fields: dict[str, Any]) -> dict[str, Any]:
        return {"sam_terminal": bytes.fromhex("992000000001"), "line": "N1", "amount": 200} | fields

    async def send(
        self, content: bytes, *, signature: bytes | None = None, path: str = "/exchange/messages"
    ) -> httpx.Response:
        headers = self._headers(self.office.sign(content) if signature is None else signature)
        async with self.house.client() as client:
            return await client.post(path, content=content, headers=headers | {"Content-Type": "application/xml"})

    async def get(self, path: str) -> httpx.Response:
        signature = KEY.sign(f"GET {path}\n".encode())
        async with self.house.client() as client:
            return await client.get(path, headers=self._headers(signature))

    def _headers(self, signature: bytes) -> dict[str, str]:
        return {
            "Citycard-Centre": CENTRE.hex(),
            "Citycard-Signature": base64.b64encode(signature).decode(),
            HEADER: self.now.isoformat(),
        }

    async def fetch(self, kind: str, number: int) -> tuple[bytes, bytes]:
        answer = await self.get(f"/exchange/messages/{kind}/{number}")
        assert answer.status_code == 200, answer.text
        return answer.content, base64.b64decode(answer.headers["Citycard-Signature"])

    async def post(self, name: str, path: str, **form: str) -> httpx.Response:
        async with self.staff(name) as client:
            return await client.post(path, data=form or None)

    @asynccontextmanager
    async def staff(self, name: str) -> AsyncIterator[httpx.AsyncClient]:
        async with self.house.client() as client:
            client.headers[HEADER] = self.now.isoformat()
            await client.post("/sign-in", data={"name": name, "password": PASSWORDS[name]})
            yield client

    async def pack(self) -> list[dict[str, Any]]:
        answer = await self.post("wang", "/exchange/packages")
        assert answer.status_code == 201, answer.text
        made: list[dict[str, Any]] = answer.json()
        return made

    async def books(self) -> dict[str, int]:
        """Balances of the transit book that are not nil, and proof that it is in order."""
        async with self.house.database.reading() as session:
            assert await verify(session, "transit") == []
            found = {s.account.code: s.balance.minor for s in await balances(session, "transit")}
        return {code: minor for code, minor in found.items() if minor}

    async def moved(self, before: dict[str, int]) -> dict[str, int]:
        after = await self.books()
        changes = {code: after.get(code, 0) - before.get(code, 0) for code in before.keys() | after.keys()}
        return {code: minor for code, minor in changes.items() if minor}

    async def end_case(self, case: str, resolution: str) -> None:
        """By two people."""
        answer = await self.post("wang", f"/cases/{case}/proposal", resolution=resolution, note="looked into it")
        assert answer.status_code == 200, answer.text
        answer = await self.post("li", f"/cases/{case}/approval")
        assert answer.status_code == 200, answer.text

    async def cases(self) -> list[tuple[str, str, int]]:
        """Kind, id and fen of those that wait."""
        async with self.house.database.reading() as session:
            return [(row.kind, row.id, row.amount_minor) for row in await waiting(session)]


@pytest.fixture
def cities(house: Any, tmp_path: Path) -> Cities:
    cards = {}
    for card in (1, 2, 3):
        fact = house.facts[0].model_copy(update={"issuer": ISSUER, "serial": bytes.fromhex(f"03109910{card:012d}")})
        cards[fact.issuer, fact.serial] = fact
    return Cities(house, Office(CentreKey.open(tmp_path / "clearing").public, cards))
