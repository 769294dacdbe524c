"""Declared balances of participants' accounts, read from a file; the opening balance sheet and the transfers it makes. Pure.

Cards are not declared here: value and deposits on cards are the sums of their own file. Every transfer runs between an account
and the book's account at the bank, which ends on what is declared for it because the sheet balances.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from datetime import date

import pyarrow.compute as pc

from clearing.ledger.accounts import RULES, TRANSIT, Kind, Limit, Side, code
from clearing.ledger.rules import Purpose, Transfer
from clearing.opening.cards import Product
from clearing.opening.sheets import ROW, Fault, Form, read_sheet, repeats
from rulebook.money import Amount

FILE = "accounts"
FORMS = {
    "book": Form("[a-z0-9:-]{1,80}", "a book's name, such as transit"),
    "account": Form("[A-Za-z0-9:._-]{1,120}", "an account's code, such as operator-payable:bus-a"),
    "balance_minor": Form("-?[0-9]{1,15}", "whole fen"),
}
_AT_BANK = {Kind.FLOAT_AT_BANK, Kind.FUND_AT_BANK, Kind.COLLECTIONS_AT_BANK}
_NOT_DECLARED = {
    Kind.VALUE_ON_CARDS: "it is the sum of the cards' balances",
    Kind.DEPOSITS_ON_CARDS: "it is the sum of the cards' deposits",
    Kind.OPEN_TAPS: "it is made of records; end the open taps before the migration",
}


@dataclass(frozen=True, slots=True)
class Declared:
    """Positive on the side where the account grows."""

    book: str
    code: str
    minor: int

    @property
    def kind(self) -> Kind:
        return Kind(self.code.partition(":")[0])

    @property
    def side(self) -> Side:
        return RULES[self.kind].side


def read_accounts(content: bytes, known: Collection[tuple[str, str]]) -> tuple[tuple[Declared, ...], list[Fault]]:
    """``known``: book and code of every participant's account."""
    table, faults = read_sheet(content, FILE, FORMS)
    faults += [
        Fault(FILE, row, "account", f"the same account stands in line {first}")
        for row, first in repeats(table, pc.binary_join_element_wise(table["book"], table["account"], "/"))
    ]
    declared = []
    for line in table.to_pylist():
        one = Declared(line["book"], line["account"], int(line["balance_minor"]))
        if found := _fault(one, line[ROW], known):
            faults.append(found)
        else:
            declared.append(one)
    return tuple(declared), faults


def _fault(one: Declared, row: int, known: Collection[tuple[str, str]]) -> Fault | None:
    if (one.book, one.code) not in known:
        return Fault(FILE, row, "account", f"is {one.code} of {one.book}; no participant has that account")
    if why := _NOT_DECLARED.get(one.kind):
        return Fault(FILE, row, "account", f"is {one.code}; leave it out: {why}")
    if one.minor < 0 and RULES[one.kind].limit is not Limit.NONE:
        return Fault(FILE, row, "balance_minor", f"is {one.minor}; {one.kind} is never below zero")
    return None


def sheet_of(products: Iterable[Product], declared: Iterable[Declared]) -> tuple[Declared, ...]:
    """Every line of the opening balance sheet with the cards', only the bank's may be zero, in order of book and code."""
    products = list(products)
    value, deposits = sum(p.balance_minor for p in products), sum(p.deposit_minor for p in products)
    cards = [
        Declared(TRANSIT, code(Kind.VALUE_ON_CARDS), value),
        Declared(TRANSIT, code(Kind.DEPOSITS_ON_CARDS), deposits),
    ]
    lines = [line for line in (*declared, *cards) if line.minor or line.kind in _AT_BANK]
    return tuple(sorted(lines, key=lambda line: (line.book, line.code)))


def sums_of(sheet: Iterable[Declared]) -> dict[str, tuple[int, int]]:
    """By book: what is held and what is owed, fen."""
    sums: dict[str, tuple[int, int]] = {}
    for line in sheet:
        held, owed = sums.get(line.book, (0, 0))
        debit = line.side is Side.DEBIT
        sums[line.book] = (held + line.minor * debit, owed + line.minor * (not debit))
    return sums


def sheet_faults(sheet: Collection[Declared]) -> list[Fault]:
    """In each book the money at the bank, with what others owe, is what the book owes: value and deposits on cards, prepaid and
    payable."""
    faults = []
    for book, (held, owed) in sums_of(sheet).items():
        at_bank = [line for line in sheet if line.book == book and line.kind in _AT_BANK]
        if not at_bank:
            faults.append(Fault(FILE, 0, book, "declares no account at the bank (float-at-bank or fund-at-bank)"))
        elif held != owed:
            message = (
                f"{at_bank[0].code} and what others owe are {held}; what is owed, with value and deposits on cards,"
            )
            faults.append(Fault(FILE, 0, book, f"{message} is {owed}: a difference of {held - owed}"))
    return faults


def transfers_of(
    number: str, products: Iterable[Product], sheet: Collection[Declared], *, business_day: date, reference: str
) -> list[Transfer]:
    """A sheet that balances, as OPENING transfers: value and deposits one for each product, every other account one."""
    bank = {line.book: line.code for line in sheet if line.kind in _AT_BANK}
    cards = [
        (f"{TRANSIT}:{kind}:{product.name}", Declared(TRANSIT, code(kind), minor))
        for product in products
        for kind, minor in _of_cards(product).items()
        if minor
    ]
    others = [
        (f"{line.book}:{line.code}", line)
        for line in sheet
        if line.kind not in _AT_BANK and line.kind not in _NOT_DECLARED
    ]
    transfers = [
        _transfer(f"{id_prefix(number)}{name}", line, bank[line.book], business_day, reference)
        for name, line in (*cards, *others)
    ]
    # The bank's account never goes below zero on the way.
    return sorted(transfers, key=lambda t: (t.debit != bank[t.book], t.id))


def id_prefix(number: str) -> str:
    """Of the ids of an opening's transfers."""
    return f"opening:{number}:"


def _of_cards(product: Product) -> Mapping[Kind, int]:
    return {Kind.VALUE_ON_CARDS: product.balance_minor, Kind.DEPOSITS_ON_CARDS: product.deposit_minor}


def _transfer(id_: str, line: Declared, bank: str, business_day: date, reference: str) -> Transfer:
    owed = (line.side is Side.CREDIT) == (line.minor > 0)
    return Transfer(
        id=id_,
        book=line.book,
        debit=bank if owed else line.code,
        credit=line.code if owed else bank,
        amount=Amount(abs(line.minor)),
        purpose=Purpose.OPENING,
        business_day=business_day,
        reference=reference,
    )
