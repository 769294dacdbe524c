"""Another city's cards that ride in the small town, and our cards that ride there."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import date
from types import SimpleNamespace
from typing import Any

import pytest

from clearing.exchange.messages import ClaimedTransaction, Package
from clearing.exchange.packing import Claimed
from clearing.exchange.partners import Exchange, Partner
from clearing.verification.joining import Claim
from rulebook.record import Event

OURS = bytes.fromhex("01991000FFFFFFFF")
THEIRS = bytes.fromhex("01992000FFFFFFFF")
STRANGE = bytes.fromhex("01993000FFFFFFFF")
DAY = date(2026, 9, 15)


@pytest.fixture
def ids() -> SimpleNamespace:
    return SimpleNamespace(ours=OURS, theirs=THEIRS, strange=STRANGE, day=DAY)


@pytest.fixture
def exchange() -> Exchange:
    partner = Partner(participant="city-2000", centre=THEIRS, issuers=(THEIRS,), public_key=bytes(32))
    return Exchange(centre=OURS, partners=(partner,), transactions_per_package=3)


@pytest.fixture
def ridden(town: Any) -> Callable[..., Claimed]:
    """A ride of a foreign card here, as the window claims it."""

    def ride(
        card: int = 1, sequence: int = 0, *, operator: str = "bus-a", issuer: bytes = THEIRS, **fields: Any
    ) -> Claimed:
        _, outcome = town.tap(card, sequence, issuer=issuer, **fields)
        return Claimed(Claim(outcome, outcome), operator, DAY)

    return ride


@pytest.fixture
def claimed_of_us(town: Any) -> Callable[..., ClaimedTransaction]:
    """A ride of our card in the other city, with the card's own TAC."""

    def ride(number: int = 1, card: int = 1, sequence: int = 0, **changes: Any) -> ClaimedTransaction:
        draft = ClaimedTransaction(
            number=number,
            event=Event.RIDE,
            line="N1",
            place="N1-01",
            issuer=OURS,
            serial=bytes.fromhex(f"03109910{card:012d}"),
            purse=2,
            sequence=sequence,
            balance_before_minor=5000,
            amount_minor=200,
            key_version=1,
            algorithm=0,
            transaction_type=6,
            sam_terminal=bytes.fromhex("992000000001"),
            sam_sequence=sequence + 1,
            stamp=bytes.fromhex("20260915081500"),
            tac=bytes(4),
        )
        made = replace(draft, **{name: value for name, value in changes.items() if name != "tac"})
        return replace(made, tac=changes.get("tac", town.tac(made.record)))

    return ride


@pytest.fixture
def packed() -> Callable[..., Package]:
    def package(*transactions: ClaimedTransaction, number: int = 1) -> Package:
        return Package(THEIRS, OURS, number, DAY, OURS, transactions)

    return package
