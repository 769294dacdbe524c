"""The day after: participants pay what they are called for, the bank executes what was released, and says so."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

from clearing.ledger.accounts import medical_book
from clearing.participants.banking import BankAccount
from clearing.participants.rules import City, demonstration
from simulator.city.bank import DemonstrationBank
from simulator.city.offices import Clerk


@dataclass(frozen=True, slots=True)
class Settled:
    """Clearing's views of each book and of each account at the bank, when everything has been done."""

    books: tuple[dict[str, Any], ...]
    accounts: tuple[dict[str, Any], ...]

    @property
    def holds(self) -> bool:
        return not self.differences()

    def differences(self) -> list[str]:
        """A sentence for each thing that is not as it should be."""
        open_books = [f"{each['book']}: {each['state']}" for each in self.books if each["state"] != "settled"]
        return open_books + [
            f"{each['book']}: {each['bank_minor']} fen at the bank, {each['ledger_minor']} by the ledger"
            for each in self.accounts
            if each["bank_minor"] != each["ledger_minor"] or each["state"] != "running"
        ]


def demonstration_bank() -> DemonstrationBank:
    city = demonstration()
    return DemonstrationBank({book: (terms.account, terms.opening_minor) for book, terms in city.bank_accounts.items()})


def settle(
    clerk: Clerk,
    approver: Clerk,
    bank: DemonstrationBank,
    *,
    windows: Sequence[int],
    day: date,
    insured: Mapping[str, int],
) -> Settled:
    """Of ``windows``, all on one day. ``insured``: by fund, how many persons' opening balances were contributed since the last
    time. Raises ``OfficeRefused``."""
    city = demonstration()
    books = []
    for book in sorted(city.bank_accounts):
        _contributions(bank, city, book, insured, day)
        addresses = [f"/settlement/{window}/{book}" for window in windows]
        for address in addresses:
            _pay_in(bank, city, book, clerk.post(f"{address}/start"), day)
        _say(clerk, bank.advice(book, day), book)
        for address in addresses:
            _pay_out(clerk, approver, bank, address, day)
        _say(clerk, bank.statement(book, day), book)
        books += [clerk.get(f"{address}/state").json() for address in addresses]
    return Settled(tuple(books), tuple(clerk.get("/bank/accounts").json()))


def _contributions(bank: DemonstrationBank, city: City, book: str, insured: Mapping[str, int], day: date) -> None:
    """The money of the persons' opening balances, in one sum from the fund's own account."""
    for fund, each in city.personal_opening_minor.items():
        if medical_book(fund) == book and insured.get(fund):
            own = city.bank_accounts[book].account
            bank.credit(book, each * insured[fund], payer=own, remittance="contributions", day=day)


def _pay_in(bank: DemonstrationBank, city: City, book: str, view: Mapping[str, Any], day: date) -> None:
    accounts = {participant.id: participant.bank_account for participant in city.participants}
    for leg in view["legs"]:
        if leg["direction"] == "in":
            payer = accounts[leg["participant"]]
            assert isinstance(payer, BankAccount)
            bank.credit(book, leg["amount_minor"], payer=payer, remittance=leg["call"], day=day)


def _pay_out(clerk: Clerk, approver: Clerk, bank: DemonstrationBank, address: str, day: date) -> None:
    view = clerk.get(f"{address}/state").json()
    if not any(leg["direction"] == "out" and leg["open_minor"] for leg in view["legs"]):
        return
    file = clerk.post(f"{address}/payments")["id"]
    approver.post(f"/payments/{file}/release")
    bank.take(clerk.get(f"/payments/{file}.xml").content, day)


def _say(clerk: Clerk, message: bytes, book: str) -> None:
    clerk.post_bytes("/bank/messages", message, "application/xml")
    clerk.post(f"/bank/{book}/matching")
