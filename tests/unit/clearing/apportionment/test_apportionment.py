"""Shared rides: everybody's part, to the fen, and never a fen more or less than the rider paid."""

from __future__ import annotations

from datetime import date
from fractions import Fraction
from functools import cache
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clearing.apportionment.agreement import Agreement, Agreements, load_agreements
from clearing.apportionment.rules import (
    MalformedWeights,
    Path,
    Residue,
    Ridden,
    apportion,
    by_distance,
    by_leg,
    by_path_probability,
)
from clearing.participants.effective import MalformedDocument
from rulebook.money import ZERO, Amount
from rulebook.tariff import NoFare, Tariff, load_tariff
from rulebook.tariff.demonstration import demonstration_document


@cache
def tariff() -> Tariff:
    return load_tariff(demonstration_document())


def station(name: str) -> str:
    return next(code for code, station in tariff().stations.items() if station.name == name)


@st.composite
def weights(draw: st.DrawFn) -> dict[str, Fraction]:
    parts = draw(st.lists(st.integers(0, 10_000), min_size=1, max_size=6).filter(any))
    return {f"operator-{number}": Fraction(part, sum(parts)) for number, part in enumerate(parts)}


@given(st.integers(0, 10**9), weights(), st.sampled_from(Residue))
def test_the_parts_add_up_to_the_whole(minor: int, of: dict[str, Fraction], residue: Residue) -> None:
    shares = apportion(Amount(minor), of, residue)
    assert sum(shares.values(), ZERO) == Amount(minor)
    assert list(shares) == list(of)
    for operator, share in shares.items():
        exact = minor * of[operator]
        assert 0 <= share.minor - exact // 1 <= len(of)
        if residue is Residue.LARGEST_REMAINDER:
            assert abs(share.minor - exact) < 1


@pytest.mark.parametrize(
    ("residue", "expected"),
    [
        (Residue.LARGEST_REMAINDER, {"a": 34, "b": 33, "c": 33}),
        (Residue.FIRST, {"a": 34, "b": 33, "c": 33}),
        (Residue.LAST, {"a": 33, "b": 33, "c": 34}),
    ],
)
def test_where_the_odd_fen_goes(residue: Residue, expected: dict[str, int]) -> None:
    shares = apportion(Amount(100), dict.fromkeys("abc", Fraction(1, 3)), residue)
    assert {operator: share.minor for operator, share in shares.items()} == expected


def test_the_largest_lost_fraction_gets_the_fen() -> None:
    of = {"a": Fraction(1, 10), "b": Fraction(9, 20), "c": Fraction(9, 20)}  # of 7 fen: 0.7, 3.15, 3.15
    assert {k: v.minor for k, v in apportion(Amount(7), of, Residue.LARGEST_REMAINDER).items()} == {
        "a": 1,
        "b": 3,
        "c": 3,
    }


@pytest.mark.parametrize(
    ("of", "why"),
    [
        ({"a": Fraction(1, 2), "b": Fraction(1, 3)}, "sum to 5/6"),
        ({"a": Fraction(3, 2), "b": Fraction(-1, 2)}, "b are below zero"),
        ({}, "nobody sum to 0"),
    ],
)
def test_weights_that_are_no_whole_are_refused(of: dict[str, Fraction], why: str) -> None:
    with pytest.raises(MalformedWeights, match=why):
        apportion(Amount(100), of, Residue.FIRST)


def test_money_taken_back_is_no_share() -> None:
    with pytest.raises(ValueError, match="transfer the other way"):
        apportion(Amount(-1), {"a": Fraction(1)}, Residue.FIRST)


def test_by_distance() -> None:
    assert by_distance([Ridden("a", 1000), Ridden("b", 2000), Ridden("a", 1000)]) == {
        "a": Fraction(1, 2),
        "b": Fraction(1, 2),
    }


def test_no_distance_is_the_first_operators() -> None:
    assert by_distance([Ridden("a", 0), Ridden("b", 0)]) == {"a": 1, "b": 0}


def test_by_leg_each_legs_fare_goes_to_who_ran_it() -> None:
    ridden = [Ridden("a", 9000, 0, 300), Ridden("b", 1000, 0, 300), Ridden("c", 25000, 1, 2500)]
    assert by_leg(ridden) == {"a": Fraction(27, 280), "b": Fraction(3, 280), "c": Fraction(250, 280)}


def test_a_free_ride_has_weights_all_the_same() -> None:
    assert by_leg([Ridden("a", 1, 0, 0), Ridden("b", 3, 1, 0)]) == {"a": Fraction(1, 4), "b": Fraction(3, 4)}


def test_by_path_probability() -> None:
    paths = [
        Path((Ridden("a", 10), Ridden("b", 10)), Fraction(3, 4)),
        Path((Ridden("b", 5),), Fraction(1, 4)),
    ]
    assert by_path_probability(paths) == {"a": Fraction(3, 8), "b": Fraction(5, 8)}
    with pytest.raises(MalformedWeights, match="sum to 3/4"):
        by_path_probability(paths[:1])


def agreed(method: str, **fields: Any) -> Agreement:
    operators = {line: "beijing-mtr" if line in {"04", "14", "16", "17"} else "subway" for line in tariff().lines}
    document = {
        "name": "metro",
        "effective_from": "2026-01-01",
        "method": method,
        "residue": "largest-remainder",
        "operator_of_line": operators,
    }
    return loaded(document | fields).agreements[0]


def loaded(*documents: dict[str, Any]) -> Agreements:
    operators = ("subway", "beijing-mtr", "airport-line", "bus-a")
    return load_agreements({"version": 1, "agreements": list(documents)}, operators=operators, tariff=tariff())


def test_the_demonstration_network_by_distance() -> None:
    """国贸 to 中关村 runs over lines of both operators; the metres are the source's."""
    entry, exit_ = station("国贸"), station("中关村")
    ridden: dict[str, int] = {}
    for section in tariff().network.sections(entry, exit_):
        owner = agreed("distance").operator_of_line[section.line]
        ridden[owner] = ridden.get(owner, 0) + section.metres
    got = agreed("distance").weights(entry, exit_, tariff(), charged_by="subway")
    assert set(got) == {"subway", "beijing-mtr"}
    assert got == {owner: Fraction(metres, sum(ridden.values())) for owner, metres in ridden.items()}


def test_what_is_ridden_is_what_is_priced() -> None:
    every = sorted(tariff().stations)[::17]
    for entry in every:
        for exit_ in every:
            try:
                legs = tariff().network.legs(entry, exit_)
            except NoFare:
                continue
            sections = tariff().network.sections(entry, exit_)
            for zone in {leg.zone for leg in legs}:
                metres = sum(section.metres for section in sections if section.zone == zone)
                assert metres == sum(leg.metres for leg in legs if leg.zone == zone)


def test_by_leg_the_airport_line_keeps_its_own_fare() -> None:
    agreement = agreed("leg")
    of = {line: "airport-line" if line == "CA" else operator for line, operator in agreement.operator_of_line.items()}
    agreement = agreed("leg", operator_of_line=of)
    entry, exit_ = station("国贸"), next(s.from_station for s in _sections_of("CA"))
    legs = tariff().network.legs(entry, exit_)
    fares = [tariff().zones[leg.zone].fare_minor(leg.metres) for leg in legs]
    assert [leg.zone for leg in legs] == ["main", "capital-airport"]
    got = agreement.weights(entry, exit_, tariff(), charged_by="airport-line")
    assert got["airport-line"] == Fraction(fares[1], sum(fares))


def _sections_of(line: str) -> list[Any]:
    entry = station("国贸")
    ends = [code for code in tariff().stations if _is_reachable(entry, code)]
    found = [s for end in ends for s in tariff().network.sections(entry, end) if s.line == line]
    return sorted(found, key=lambda section: section.metres, reverse=True)


def _is_reachable(entry: str, exit_: str) -> bool:
    try:
        return bool(tariff().network.legs(entry, exit_))
    except NoFare:
        return False


def test_in_and_out_at_one_station_is_whose_gate_charged() -> None:
    here = station("国贸")
    assert agreed("distance").weights(here, here, tariff(), charged_by="beijing-mtr") == {"beijing-mtr": 1}


def test_a_table_is_taken_as_declared_both_ways_round() -> None:
    pair = {"entry": "0101", "exit": "0102", "parts": {"subway": "1/3", "beijing-mtr": "2/3"}}
    agreement = agreed("table", default_parts={"subway": "1"}, pairs=[pair])
    for entry, exit_ in (("0101", "0102"), ("0102", "0101")):
        weights = agreement.weights(entry, exit_, tariff(), charged_by="subway")
        assert weights == {"subway": Fraction(1, 3), "beijing-mtr": Fraction(2, 3)}
    assert agreement.weights("0101", "0103", tariff(), charged_by="subway") == {"subway": 1}


def test_declared_ways_count_by_who_takes_them() -> None:
    ways = [{"probability": "0.75", "metres": {"01": 1000, "04": 1000}}, {"probability": "0.25", "metres": {"04": 900}}]
    agreement = agreed("path-probability", pairs=[{"entry": "0101", "exit": "0102", "ways": ways}])
    got = agreement.weights("0101", "0102", tariff(), charged_by="subway")
    assert got == {"subway": Fraction(3, 8), "beijing-mtr": Fraction(5, 8)}


@pytest.mark.parametrize(
    ("method", "fields", "why"),
    [
        ("table", {}, "default_parts: weights of nobody sum to 0"),
        ("table", {"default_parts": {"subway": 0.5}}, 'a text like "0.8"'),
        ("table", {"default_parts": {"subway": "0.5"}}, "sum to 1/2"),
        ("distance", {"default_parts": {"subway": "1"}}, "only method table has parts"),
        ("distance", {"typo": 1}, "typo"),
        (
            "path-probability",
            {"pairs": [{"entry": "0101", "exit": "0102", "ways": [{"probability": "1/2", "metres": {"99": 1}}]}]},
            "line 99 has no operator.*must sum to 1",
        ),
        (
            "table",
            {
                "default_parts": {"subway": "1"},
                "pairs": [
                    {"entry": e, "exit": x, "parts": {"subway": "1"}} for e, x in (("0101", "0102"), ("0102", "0101"))
                ],
            },
            "0101–0102 is there more than once",
        ),
    ],
)
def test_an_agreement_is_taken_whole_or_refused_with_every_fault(method: str, fields: dict[str, Any], why: str) -> None:
    with pytest.raises(MalformedDocument, match=why):
        agreed(method, **fields)


def test_a_line_without_an_operator_is_named() -> None:
    agreement = agreed("distance", operator_of_line={"04": "beijing-mtr"})
    with pytest.raises(MalformedWeights, match="line 01 has no operator"):
        agreement.weights(station("苹果园"), station("王府井"), tariff(), charged_by="subway")


FIRST_HALF = {"effective_from": "2026-01-01", "effective_to": "2026-06-30"}


def terms(name: str = "metro", *operators: str, **fields: Any) -> dict[str, Any]:
    parts = dict.fromkeys(operators or ("subway", "beijing-mtr"), f"1/{len(operators) or 2}")
    return {"name": name, "method": "table", "residue": "last", "operator_of_line": {}, "default_parts": parts} | fields


def test_the_agreement_of_the_day_and_operator() -> None:
    agreements = loaded(
        terms(**FIRST_HALF),
        terms(effective_from="2026-07-01"),
        terms("airport", "airport-line", "bus-a", effective_from="2026-01-01"),
    )
    of = [agreements.of("subway", day) for day in (date(2025, 12, 31), date(2026, 6, 30), date(2026, 7, 1))]
    assert [each and each.effective_from for each in of] == [None, date(2026, 1, 1), date(2026, 7, 1)]
    airport = agreements.of("bus-a", date(2026, 7, 1))
    assert airport is not None
    assert airport.name == "airport"


@pytest.mark.parametrize(
    ("documents", "why"),
    [
        (
            [terms(effective_from="2026-01-01"), terms("other", "subway", effective_from="2026-07-01")],
            "metro and other overlap on 2026-07-01 for subway; end the earlier one on 2026-06-30",
        ),
        ([terms(effective_from="2026-07-01", effective_to="2026-06-30")], "effective_to lies before"),
        ([terms("metro", "stranger", effective_from="2026-07-01")], "stranger is no operator that is paid fares"),
        ([terms(effective_from="2026-07-01", operator_of_line={"99": "subway"})], "99 is no line of the tariff"),
        (
            [
                terms(
                    effective_from="2026-07-01",
                    pairs=[{"entry": "0101", "exit": "nowhere", "parts": {"subway": "1"}}],
                )
            ],
            "nowhere is no station of the tariff",
        ),
    ],
)
def test_agreements_are_taken_whole_or_refused(documents: list[dict[str, Any]], why: str) -> None:
    with pytest.raises(MalformedDocument, match=why):
        loaded(*documents)
