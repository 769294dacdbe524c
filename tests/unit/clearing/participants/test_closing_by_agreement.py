"""A window with shared rides, charges and holds: everything follows from what came in, and money only changes hands."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date, timedelta
from functools import cache
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clearing.apportionment.sharing import Rides
from clearing.ledger.rules import Purpose, Transfer
from clearing.participants.charging import NOTHING_RUNNING
from clearing.participants.closing import Agreed, ByAgreement, by_agreement, nets
from clearing.participants.documents import DocumentKind, demonstration_documents
from clearing.participants.rules import demonstration
from clearing.settlement.positions import add_to_nil, positions
from rulebook.money import Amount
from rulebook.tariff import Tariff, load_tariff
from rulebook.tariff.demonstration import demonstration_document

CITY = demonstration()
DAY = CITY.effective_from
GUOMAO, ZHONGGUANCUN = "1021", "0411"
AGREED = Agreed.of(demonstration_documents(), CITY)


@cache
def tariffs() -> dict[int, Tariff]:
    return {1: load_tariff(demonstration_document())}


def fares(operator: str, minor: int) -> Transfer:
    return Transfer(
        id=f"set:{operator}",
        book="transit",
        debit="value-on-cards",
        credit=f"operator-payable:{operator}",
        amount=Amount(minor),
        purpose=Purpose.FARE,
        business_day=DAY,
    )


def load(minor: int) -> Transfer:
    return Transfer(
        id="load",
        book="transit",
        debit="agent-prefunded:agent-1",
        credit="value-on-cards",
        amount=Amount(minor),
        purpose=Purpose.LOAD,
        business_day=DAY,
    )


def ridden(each_minor: int, count: int) -> Rides:
    return Rides(DAY, "metro", GUOMAO, ZHONGGUANCUN, "", each_minor, count)


def closed(transfers: Iterable[Transfer], rides: Iterable[Rides] = (), **terms: Any) -> ByAgreement:
    how: dict[str, Any] = {"pieces": {"set:metro": 10}, "tariffs": tariffs()} | terms
    return by_agreement(7, DAY, AGREED, transfers=transfers, rides=rides, **how)


def test_the_demonstrations_day() -> None:
    made = closed(
        [fares("metro", 5000), fares("bus-a", 10_000), fares("bus-b", 20_000), load(100_000)], [ridden(500, 10)]
    )
    minor = {transfer.id: transfer.amount.minor for transfer in made.transfers}
    theirs = minor["shared:000007:2026-09-15:metro:metro-2"]
    assert minor == {
        "charge:000007:transit:agent-1:commission": 200,
        "charge:000007:transit:bus-a:processing:2026-09": 40,
        "charge:000007:transit:bus-b:processing": 80,
        "charge:000007:transit:metro:processing:2026-09": ((5000 - theirs) * 3 + 500) // 1000 + 10,
        "charge:000007:transit:metro-2:processing": (theirs * 3 + 500) // 1000,
        "hold:000007:transit:bus-b": 996,  # of 200.00 less 0.80
        "shared:000007:2026-09-15:metro:metro-2": theirs,
    }
    assert theirs % 10 == 0
    assert [hold.release_on for hold in made.running.holds] == [DAY + timedelta(days=7)]
    assert {open_.contract[1] for open_ in made.running.months} == {"bus-a", "metro"}


def test_without_agreements_nothing_is_added() -> None:
    none = Agreed.of({}, CITY)
    made = by_agreement(
        7, DAY, none, transfers=[fares("metro", 500)], pieces={}, rides=[ridden(500, 1)], tariffs=tariffs()
    )
    assert made == ByAgreement((), NOTHING_RUNNING, ())


def test_money_paid_already_is_not_held_back_again() -> None:
    paid = Transfer(
        id="paid",
        book="transit",
        debit="float-at-bank",
        credit="operator-payable:bus-b",
        amount=Amount(10_000),
        purpose=Purpose.SETTLEMENT,
        business_day=DAY,
    )
    assert nets([paid, fares("bus-b", 700)], AGREED.accounts) == {("transit", "bus-b"): 700}


SOME = st.lists(
    st.one_of(
        st.builds(fares, st.sampled_from(["metro", "bus-a", "bus-b"]), st.integers(1, 10**7)),
        st.builds(load, st.integers(1, 10**7)),
    ),
    max_size=4,
    unique_by=lambda transfer: transfer.id,
)


@given(SOME, st.lists(st.builds(ridden, st.integers(0, 3000), st.integers(1, 50)), max_size=4), st.randoms())
def test_positions_still_add_to_nil_and_order_changes_nothing(
    transfers: list[Transfer], rides: list[Rides], random: Any
) -> None:
    made = closed(transfers, rides)
    every = positions((*transfers, *made.transfers), parties=CITY.parties(), keepers=CITY.keepers, opening={})
    assert add_to_nil(every)
    random.shuffle(transfers)
    random.shuffle(rides)
    assert closed(transfers, rides) == made


@given(SOME)
def test_what_is_held_back_is_not_paid_out(transfers: list[Transfer]) -> None:
    made = closed(transfers)
    every = positions((*transfers, *made.transfers), parties=CITY.parties(), keepers=CITY.keepers, opening={})
    net = {position.participant: position.net_minor for position in every}
    earned = sum(t.amount.minor for t in transfers if t.credit == "operator-payable:bus-b")
    fee = sum(t.amount.minor for t in made.transfers if t.id == "charge:000007:transit:bus-b:processing")
    held = sum(hold.amount_minor for hold in made.running.holds)
    assert net["bus-b"] == earned - fee - held
    assert held == (earned - fee) * 5 // 100


@pytest.mark.parametrize("missing", list(DocumentKind))
def test_a_kind_that_was_never_published_is_empty(missing: DocumentKind) -> None:
    documents = {kind: document for kind, document in demonstration_documents().items() if kind is not missing}
    agreed = Agreed.of(documents, CITY)
    assert bool(agreed.contracts.contracts) == (missing is not DocumentKind.CONTRACTS)
    assert bool(agreed.agreements.agreements) == (missing is not DocumentKind.APPORTIONMENT)
    assert agreed.accounts["transit", "card-company"] == "fees"


def test_a_date_outside_every_contract_costs_nothing() -> None:
    early = by_agreement(
        1, date(2026, 9, 14), AGREED, transfers=[fares("bus-b", 500)], pieces={}, rides=[], tariffs=tariffs()
    )
    assert early.transfers == ()
