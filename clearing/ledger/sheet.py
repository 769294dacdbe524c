"""A book on one page: what is there and owed to it, against what it owes (design.md, "What must always hold", 1)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from clearing.ledger.accounts import RULES, Kind, Side
from clearing.ledger.rules import Standing


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


def position_of_float(standings: Iterable[Standing]) -> BalanceSheet:
    """Add up the accounts of one book. Raises ``ValueError`` for accounts of several books or currencies."""
    every = list(standings)
    if len({(s.account.book, s.account.currency) for s in every}) > 1:
        raise ValueError("a balance sheet is of one book in one currency")
    lines: dict[Kind, int] = {}
    for standing in every:
        kind = standing.account.kind
        lines[kind] = lines.get(kind, 0) + standing.balance.minor
    debits, credits_, debits_pending, credits_pending = (
        sum(column) for column in (zip(*(s.counters for s in every), strict=True) if every else ((), (), (), ()))
    )
    return BalanceSheet(lines, credits_pending, debits, credits_, debits_pending, credits_pending)
