"""A book as the journal of somebody else's bookkeeping program, which checks it without us. Pure.

Every transfer that moved money is a transaction of two postings; at the end stand the balances that the ledger keeps for its
accounts, as assertions: the program adds the transactions up and says whether that is what they come to. Amounts are yuan with
two decimals; accounts that grow by debits are assets, the others liabilities (shown below zero, as both programs do).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import date, timedelta
from enum import StrEnum, unique

from clearing.ledger.accounts import Account, Side
from clearing.ledger.rules import Phase, Standing, Transfer
from rulebook.money import Amount

_MOVES = frozenset({Phase.SINGLE, Phase.POST})
_ROOTS = {Side.DEBIT: "Assets", Side.CREDIT: "Liabilities"}


@unique
class Program(StrEnum):
    HLEDGER = "hledger"
    BEANCOUNT = "beancount"


def journal(program: Program, standings: Sequence[Standing], transfers: Iterable[Transfer]) -> Iterator[str]:
    """The lines of one book's journal. ``transfers`` in any order; ``standings``: every account with its counters."""
    names = {standing.account.code: account_name(standing.account) for standing in standings}
    if len(set(names.values())) != len(names):
        raise ValueError("two accounts have one name in the journal")
    moved = sorted((t for t in transfers if t.phase in _MOVES), key=lambda t: (t.business_day, t.id))
    yield from _WRITERS[program](names, standings, moved)


def account_name(account: Account) -> str:
    """``Assets:Transit:Float-at-bank``: parts begin with a capital letter or a digit, as beancount wants them."""
    parts = (*account.book.split(":"), *account.code.split(":"))
    return ":".join((_ROOTS[account.rule.side], *(part[:1].upper() + part[1:] for part in parts)))


def _hledger(names: Mapping[str, str], standings: Sequence[Standing], moved: Sequence[Transfer]) -> Iterator[str]:
    yield "commodity 1000.00 CNY"
    for name in names.values():
        yield f"account {name}"
    for transfer in moved:
        yield ""
        yield f"{transfer.business_day} * ({transfer.id}) {transfer.purpose}"
        yield f"    {names[transfer.debit]}  {_money(transfer.amount)}"
        yield f"    {names[transfer.credit]}  {_money(-transfer.amount)}"
    if moved:
        yield ""
        yield f"{moved[-1].business_day} * balances"
        for standing in standings:
            yield f"    {names[standing.account.code]}  0.00 CNY = {_money(_signed(standing))}"


def _beancount(names: Mapping[str, str], standings: Sequence[Standing], moved: Sequence[Transfer]) -> Iterator[str]:
    first = moved[0].business_day if moved else date(1970, 1, 1)
    for name in names.values():
        yield f"{first} open {name} CNY"
    for transfer in moved:
        yield ""
        yield f'{transfer.business_day} * "{transfer.purpose}" "{transfer.id}"'
        yield f"  {names[transfer.debit]}  {_money(transfer.amount)}"
        yield f"  {names[transfer.credit]}  {_money(-transfer.amount)}"
    if moved:
        yield ""
        for standing in standings:
            # A balance directive holds at the beginning of its day.
            after = moved[-1].business_day + timedelta(days=1)
            # Without a tolerance of its own beancount lets a cent pass.
            signed = _signed(standing)
            yield f"{after} balance {names[standing.account.code]}  {signed} ~ 0.00 {signed.currency}"


def _signed(standing: Standing) -> Amount:
    """Debits above zero."""
    return standing.balance if standing.account.rule.side is Side.DEBIT else -standing.balance


def _money(amount: Amount) -> str:
    return f"{amount} {amount.currency}"


_WRITERS: Mapping[Program, Callable[[Mapping[str, str], Sequence[Standing], Sequence[Transfer]], Iterator[str]]] = {
    Program.HLEDGER: _hledger,
    Program.BEANCOUNT: _beancount,
}
