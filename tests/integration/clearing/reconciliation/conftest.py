"""A closed window with something to settle, and the bank that executes it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Any

import httpx
import pytest

from clearing.ledger import queries as ledger
from clearing.ledger.rules import Purpose, Transfer
from clearing.ledger.service import post, verify
from clearing.participants.banking import BankAccount
from clearing.participants.documents import DocumentKind, demonstration_documents
from clearing.participants.rules import demonstration
from clearing.participants.service import city
from clearing.reconciliation.views import at_banks
from rulebook.money import Amount
from simulator.city.bank import DemonstrationBank

CITY = demonstration()
DAY = CITY.effective_from
NOW = datetime.fromisoformat("2026-09-15T22:00:00+08:00")
AT = {participant.id: participant.bank_account for participant in CITY.participants}


@dataclass
class Office:
    """Two clerks of one clearing house, and the bank."""

    house: Any
    first: httpx.AsyncClient
    second: httpx.AsyncClient
    bank: DemonstrationBank = field(
        default_factory=lambda: DemonstrationBank(
            {book: (terms.account, terms.opening_minor) for book, terms in CITY.bank_accounts.items()}
        )
    )

    async def post(self, path: str, *, by: httpx.AsyncClient | None = None, expect: int | None = None) -> Any:
        return self._answer(await (by or self.first).post(path), expect)

    async def say(self, message: bytes, *, expect: int | None = None) -> Any:
        headers = {"Content-Type": "application/xml"}
        return self._answer(await self.first.post("/bank/messages", content=message, headers=headers), expect)

    async def get(self, path: str) -> Any:
        return self._answer(await self.first.get(path), None)

    async def state(self, window: int = 1, book: str = "transit") -> dict[str, Any]:
        found: dict[str, Any] = await self.get(f"/settlement/{window}/{book}/state")
        return found

    async def move(
        self,
        id_: str,
        minor: int,
        debit: str,
        credit: str,
        purpose: Purpose = Purpose.SUBSIDY,
        *,
        book: str = "transit",
    ) -> None:
        transfer = Transfer(
            id=id_,
            book=book,
            debit=debit,
            credit=credit,
            amount=Amount(minor),
            purpose=purpose,
            business_day=DAY,
        )
        async with self.house.database.transaction() as session:
            await post(session, [transfer], now=NOW)

    async def pay_out(
        self, window: int = 1, day: date = date(2026, 9, 16), *, book: str = "transit", **how: Any
    ) -> dict[str, Any]:
        """Drafted, released, fetched, executed by the bank."""
        file: dict[str, Any] = await self.post(f"/settlement/{window}/{book}/payments")
        await self.post(f"/payments/{file['id']}/release", by=self.second)
        self.bank.take((await self.first.get(f"/payments/{file['id']}.xml")).content, day, **how)
        return file

    async def pay_in(
        self, who: str, minor: int, *, day: date = date(2026, 9, 16), call: str = "", book: str = "transit"
    ) -> None:
        payer = AT[who]
        assert isinstance(payer, BankAccount)
        self.bank.credit(book, minor, payer=payer, remittance=call, day=day)

    @staticmethod
    def open_legs(state: dict[str, Any]) -> dict[tuple[str, str], int]:
        return {(leg["direction"], leg["participant"]): leg["open_minor"] for leg in state["legs"]}

    async def balances(self) -> dict[str, int]:
        """Of the book transit, which is in order and of which the bank shows nothing unexplained."""
        async with self.house.database.reading() as session:
            assert await verify(session, "transit") == []
            for account in await at_banks(session, await city(session)):
                if account.book == "transit":
                    assert account.unexplained_minor == 0
            return {s.account.code: s.balance.minor for s in await ledger.standings(session, "transit")}

    async def cover(self) -> None:
        """The fund pays what it is called for, and the bank says so."""
        call = next(leg["call"] for leg in (await self.state())["legs"] if leg["direction"] == "in")
        await self.pay_in("concession-fund", 100_001, call=call)
        await self.say(self.bank.statement("transit", date(2026, 9, 16)))
        await self.post("/bank/transit/matching")

    @staticmethod
    def _answer(answer: httpx.Response, expect: int | None) -> Any:
        assert answer.status_code == expect if expect else answer.is_success, answer.text
        return answer.json() if answer.content else None


@pytest.fixture
def agreed() -> dict[DocumentKind, Any]:
    """The demonstration's cap and no charges: what is moved here is what is settled."""
    document = demonstration_documents()[DocumentKind.CONTRACTS]
    caps = [contract for contract in document["contracts"] if "net_debit_cap_minor" in contract]
    return {DocumentKind.CONTRACTS: {**document, "contracts": caps}}


@pytest.fixture
async def office(house: Any) -> AsyncIterator[Office]:
    async with house.staff("wang") as first, house.staff("li") as second:
        yield Office(house, first, second)


@pytest.fixture
async def closed(office: Office) -> Office:
    """The concession fund owes the operators 1,000.01 yuan; the card company owes them 500.00 out of what is on cards."""
    await office.move("s1", 66_667, "subsidy-receivable:concession-fund", "operator-payable:bus-a")
    await office.move("s2", 33_334, "subsidy-receivable:concession-fund", "operator-payable:bus-b")
    await office.move("f1", 50_000, "value-on-cards", "operator-payable:metro", Purpose.FARE)
    await office.house.close()
    return office
