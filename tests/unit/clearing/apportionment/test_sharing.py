"""A window's shared rides: conserved to the fen, whatever the order, the grouping and the window they come in."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import replace
from datetime import date
from fractions import Fraction
from functools import cache
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clearing.apportionment.agreement import Agreements, load_agreements
from clearing.apportionment.rules import Residue, apportion
from clearing.apportionment.sharing import Rides, Sharing, shared
from clearing.ledger.rules import Purpose, Transfer
from rulebook.money import Amount
from rulebook.tariff import Tariff, load_tariff
from rulebook.tariff.demonstration import demonstration_document

DAY = date(2026, 9, 15)
OPERATORS = ("metro", "metro-2", "airport-line")
SECOND = frozenset({"04", "14", "16", "17"})


@cache
def tariffs() -> dict[int, Tariff]:
    tariff = load_tariff(demonstration_document())
    return {tariff.version: tariff}


@cache
def agreements(method: str = "distance", residue: str = "largest-remainder") -> Agreements:
    operators = {line: "metro-2" if line in SECOND else "metro" for line in tariffs()[1].lines}
    terms: dict[str, Any] = {
        "name": "metro",
        "effective_from": "2026-09-15",
        "method": method,
        "residue": residue,
        "operator_of_line": operators,
    }
    if method == "table":
        terms["default_parts"] = {"metro": "2/3", "airport-line": "1/12", "metro-2": "1/4"}
    return load_agreements({"version": 4, "agreements": [terms]}, operators=OPERATORS, tariff=tariffs()[1])


def rides(**changes: Any) -> Rides:
    one = Rides(DAY, "metro", station("国贸"), station("中关村"), "", 500, 3)
    return replace(one, **changes)


@cache
def station(name: str) -> str:
    return next(code for code, station in tariffs()[1].stations.items() if station.name == name)


def share(every: Iterable[Rides], of: Agreements | None = None, window: int = 7) -> Sharing:
    return shared(window, every, agreements=of or agreements(), tariffs=tariffs())


def moved(transfers: Iterable[Transfer]) -> Counter[str]:
    """What each operator has by them."""
    sums = Counter[str]()
    for transfer in transfers:
        sums[transfer.debit.partition(":")[2]] -= transfer.amount.minor
        sums[transfer.credit.partition(":")[2]] += transfer.amount.minor
    return sums


def test_a_ride_over_lines_of_both_goes_to_both() -> None:
    (transfer,) = share([rides()]).transfers
    of = agreements().agreements[0].weights(rides().origin, rides().destination, tariffs()[1], charged_by="metro")
    theirs = apportion(Amount(500), of, Residue.LARGEST_REMAINDER)["metro-2"]
    assert theirs.minor > 0
    assert transfer == Transfer(
        id="shared:000007:2026-09-15:metro:metro-2",
        book="transit",
        debit="operator-payable:metro",
        credit="operator-payable:metro-2",
        amount=theirs * 3,
        purpose=Purpose.APPORTIONMENT,
        business_day=DAY,
        reference="agreements v4; agreement metro from 2026-09-15; 3 records",
    )


@pytest.mark.parametrize(
    ("residue", "expected"),
    [
        ("largest-remainder", {"metro": -3, "airport-line": 1, "metro-2": 2}),  # 6.67, 0.83 and 2.5 of 10 fen
        ("first", {"metro": -2, "metro-2": 2}),
        ("last", {"metro": -4, "metro-2": 4}),
    ],
)
def test_the_residue_falls_by_the_declared_rule(residue: str, expected: dict[str, int]) -> None:
    assert moved(share([rides(each_minor=10, count=1)], agreements("table", residue)).transfers) == expected


def test_concessions_are_shared_by_themselves() -> None:
    made = share([rides(), rides(bearer="concession-fund", each_minor=100)])
    assert [transfer.id for transfer in made.transfers] == [
        "shared:000007:2026-09-15:metro:metro-2",
        "shared:000007:2026-09-15:metro:metro-2:concession-fund",
    ]


@pytest.mark.parametrize(
    "alone",
    [
        {"origin": "", "destination": "", "operator": "bus-a"},  # in no agreement
        {"business_day": date(2026, 9, 14)},  # before it began
        {"destination": "0102", "origin": "0101"},  # on its own line
        {"origin": "0410", "destination": "0410"},  # in and out at one station
        {"each_minor": 0},
    ],
)
def test_what_is_nobody_elses(alone: dict[str, Any]) -> None:
    assert share([rides(**alone)]) == Sharing((), ())


def test_a_ride_that_no_line_explains_stays_whole_and_is_listed() -> None:
    strange = rides(origin="nowhere")
    made = share([strange])
    assert made.transfers == ()
    ((listed, why),) = [(one.rides, one.why) for one in made.unshared]
    assert (listed, why) == (strange, "station nowhere lies on no line with a fare")


def test_no_tariff_of_the_day_shares_nothing() -> None:
    made = shared(1, [rides()], agreements=agreements(), tariffs={})
    assert [one.why for one in made.unshared] == ["no tariff is in force on 2026-09-15"]


def test_money_taken_back_is_refused() -> None:
    with pytest.raises(ValueError, match="each_minor is -1"):
        share([rides(each_minor=-1)])


@st.composite
def some_rides(draw: st.DrawFn) -> Rides:
    every = sorted(tariffs()[1].stations)[::29]
    return Rides(
        business_day=draw(st.sampled_from([DAY, date(2026, 9, 16)])),
        operator=draw(st.sampled_from(OPERATORS)),
        origin=draw(st.sampled_from(every)),
        destination=draw(st.sampled_from(every)),
        bearer=draw(st.sampled_from(["", "concession-fund"])),
        each_minor=draw(st.integers(0, 3000)),
        count=draw(st.integers(1, 1000)),
    )


METHODS = st.sampled_from(["distance", "leg", "table"])
RESIDUES = st.sampled_from([str(residue) for residue in Residue])


@given(st.lists(some_rides(), max_size=12), METHODS, RESIDUES)
def test_every_split_is_conserved_to_the_fen(every: list[Rides], method: str, residue: str) -> None:
    """Against each ride split by itself, one after the other."""
    of = agreements(method, residue)
    made = share(every, of)
    expected = Counter[str]()
    for one in every:
        agreement = of.of(one.operator, one.business_day)
        if agreement is None or one in {listed.rides for listed in made.unshared}:
            continue
        of_ride = agreement.weights(one.origin, one.destination, tariffs()[1], charged_by=one.operator)
        parts = apportion(Amount(one.each_minor), of_ride, Residue(residue))
        assert sum(part.minor for part in parts.values()) == one.each_minor
        expected[one.operator] -= one.each_minor * one.count
        for operator, part in parts.items():
            expected[operator] += part.minor * one.count
    assert +moved(made.transfers) == +expected
    assert -moved(made.transfers) == -expected


@given(st.lists(some_rides(), max_size=12), st.randoms(use_true_random=False), METHODS)
def test_order_and_grouping_change_nothing(every: list[Rides], random: Any, method: str) -> None:
    apart = [replace(one, count=part) for one in every for part in (1, one.count - 1) if part]
    random.shuffle(apart)
    assert share(apart, agreements(method)).transfers == share(every, agreements(method)).transfers


@given(st.lists(some_rides(), max_size=12), st.integers(0, 12))
def test_over_two_windows_everybody_has_the_same(every: list[Rides], cut: int) -> None:
    early, late = share(every[:cut]).transfers, share(every[cut:], window=8).transfers
    assert not {transfer.id for transfer in early} & {transfer.id for transfer in late}
    assert moved((*early, *late)) == moved(share(every).transfers)


def test_weights_are_exact() -> None:
    of = {"a": Fraction(1, 3), "b": Fraction(2, 3)}
    assert {name: part.minor for name, part in apportion(Amount(10**18 + 1), of, Residue.FIRST).items()} == {
        "a": 333333333333333334,
        "b": 666666666666666667,
    }
