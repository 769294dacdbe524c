"""A book on one page: what is there and owed to it, against what it owes (design.md, "What must always hold", 1)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from clearing.ledger.accounts import RULES, Kind, Side
from clearing.ledger.rules import Counters, Standing, balance_of
from rulebook.money import Amount, Currency


@dataclass(frozen=True, slots=True)
class Line:
    """One account, or where ``summed`` all ``accounts`` of one kind together, whose ``code`` is the kind alone."""

    book: str
    code: str
    kind: Kind
    currency: Currency
    counters: Counters
    accounts: int = 1
    summed: bool = False

    @property
    def side(self) -> Side:
        return RULES[self.kind].side

    @property
    def balance(self) -> Amount:
        """What has been posted, positive on the side where the account grows."""
        return balance_of(self.kind, self.counters, self.currency)


def line_of(standing: Standing) -> Line:
    account = standing.account
    return Line(account.book, account.code, account.kind, account.currency, standing.counters)


@dataclass(frozen=True, slots=True)
class BalanceSheet:
    """Fen by kind of account. ``reserved`` is pending: loads in flight, which move nothing until they are posted."""

    lines: Mapping[Kind, int]
    reserved: int
    debits: int
    credits: int
    debits_pending: int
    credits_pending: int

    @property
    def held(self) -> int:
        """Float at bank and what agents and funds owe; in a medical book the fund's money at the bank."""
        return self._sum(Side.DEBIT)

    @property
    def owed(self) -> int:
        """Value and deposits on cards, prepaid by agents, owed to operators, refunds, fees, open items."""
        return self._sum(Side.CREDIT)

    @property
    def balanced(self) -> bool:
        return self.held == self.owed and self.debits == self.credits and self.debits_pending == self.credits_pending

    def _sum(self, side: Side) -> int:
        return sum(minor for kind, minor in self.lines.items() if RULES[kind].side is side)


def position_of_float(accounts: Iterable[Standing | Line]) -> BalanceSheet:
    """Add up the accounts of one book. Raises ``ValueError`` for accounts of several books or currencies."""
    every = [each if isinstance(each, Line) else line_of(each) for each in accounts]
    if len({(line.book, line.currency) for line in every}) > 1:
        raise ValueError("a balance sheet is of one book in one currency")
    lines: dict[Kind, int] = {}
    for line in every:
        lines[line.kind] = lines.get(line.kind, 0) + line.balance.minor
    debits, credits_, debits_pending, credits_pending = (
        sum(column) for column in (zip(*(line.counters for line in every), strict=True) if every else ((), (), (), ()))
    )
    return BalanceSheet(lines, credits_pending, debits, credits_, debits_pending, credits_pending)
