"""Opening balances of a running city, from the two files it hands over: whole, or refused with every fault. Pure."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import date
from enum import StrEnum, unique

import pyarrow as pa

from clearing.ledger.accounts import Account
from clearing.ledger.rules import Accounts, Refused, Standing, Transfer, decide_all
from clearing.opening.balances import Declared, read_accounts, sheet_faults, sheet_of, transfers_of
from clearing.opening.cards import Product, card_count, products_of, read_cards
from clearing.opening.sheets import Fault

CONTROL = "control"
"""``Fault.file`` of the control totals."""


@unique
class OpeningState(StrEnum):
    PROPOSED = "proposed"  # by the first person
    POSTED = "posted"  # a second one approved: the balances stand in the ledger, the counters are in force
    REFUSED = "refused"  # a second one did not
    WITHDRAWN = "withdrawn"  # the first one took it back


STATES: Mapping[OpeningState, tuple[str, str]] = {
    OpeningState.PROPOSED: ("待复核", "to be approved"),
    OpeningState.POSTED: ("已入账", "posted"),
    OpeningState.REFUSED: ("已驳回", "refused"),
    OpeningState.WITHDRAWN: ("已撤回", "withdrawn"),
}


@unique
class OpeningEvent(StrEnum):
    APPROVE = "approve"
    REFUSE = "refuse"
    WITHDRAW = "withdraw"


LIFE: Mapping[tuple[OpeningState, OpeningEvent], OpeningState] = {
    (OpeningState.PROPOSED, OpeningEvent.APPROVE): OpeningState.POSTED,
    (OpeningState.PROPOSED, OpeningEvent.REFUSE): OpeningState.REFUSED,
    (OpeningState.PROPOSED, OpeningEvent.WITHDRAW): OpeningState.WITHDRAWN,
}


@dataclass(frozen=True, slots=True)
class Control:
    """What the city that hands over says its card file adds up to, fen: told apart from the file."""

    cards: int
    balance_minor: int
    deposit_minor: int


@dataclass(frozen=True, slots=True)
class Opening:
    """``cards``: as ``cards.read_cards`` leaves them. ``sheet``: every line of the opening balance sheet."""

    cards: pa.Table
    products: tuple[Product, ...]
    sheet: tuple[Declared, ...]

    @property
    def books(self) -> tuple[str, ...]:
        return tuple(sorted({line.book for line in self.sheet}))

    def transfers(self, number: str, *, business_day: date, reference: str) -> list[Transfer]:
        return transfers_of(number, self.products, self.sheet, business_day=business_day, reference=reference)


class OpeningFaulty(Exception):
    """``faults`` has every one; nothing of the opening can be used."""

    def __init__(self, faults: Collection[Fault]) -> None:
        super().__init__(f"{len(faults)} faults")
        self.faults = tuple(faults)


def read_opening(
    card_file: bytes,
    account_file: bytes,
    control: Control,
    *,
    accounts: Collection[Account],
    our_issuers: Collection[bytes],
) -> Opening:
    """``accounts``: of all participants. Raises ``OpeningFaulty``."""
    cards, faults = read_cards(card_file, our_issuers)
    declared, more = read_accounts(account_file, {(a.book, a.code) for a in accounts})
    if faults := [*faults, *more]:
        # Sums over the rows that happen to be good would only add faults that are none.
        raise OpeningFaulty(faults)
    products = products_of(cards)
    opening = Opening(cards, products, sheet_of(products, declared))
    found = Control(card_count(cards), sum(p.balance_minor for p in products), sum(p.deposit_minor for p in products))
    if faults := [*_control_faults(control, found), *sheet_faults(opening.sheet)]:
        raise OpeningFaulty(faults)
    if faults := _ledger_faults(opening, accounts):
        raise OpeningFaulty(faults)
    return opening


def _control_faults(declared: Control, found: Control) -> list[Fault]:
    pairs = {
        "cards": (declared.cards, found.cards),
        "balance_minor": (declared.balance_minor, found.balance_minor),
        "deposit_minor": (declared.deposit_minor, found.deposit_minor),
    }
    return [
        Fault(CONTROL, 0, name, f"is declared as {said}; the file has {there}: a difference of {there - said}")
        for name, (said, there) in pairs.items()
        if said != there
    ]


def _ledger_faults(opening: Opening, accounts: Collection[Account]) -> list[Fault]:
    """What the ledger would refuse, such as an agent beyond its limit."""
    nothing = Accounts({(a.book, a.code): Standing(a) for a in accounts})
    decisions, _ = decide_all(opening.transfers("", business_day=date.min, reference=""), nothing)
    return [
        Fault("accounts", 0, f"{one.transfer.debit} → {one.transfer.credit}", f"the ledger refuses it: {one.reason}")
        for one in decisions
        if isinstance(one, Refused)
    ]
