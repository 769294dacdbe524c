"""Ways between two stations and how probable they are; the table that is shipped is the computed one."""

from __future__ import annotations

from fractions import Fraction
from functools import cache
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clearing.apportionment.agreement import Agreement, load_agreements
from clearing.apportionment.demonstration import declared, demonstration_agreements, network_ways
from clearing.apportionment.paths import CHANGE_METRES, Way, Ways, probabilities
from clearing.participants.documents import DocumentKind, Surroundings, checked, demonstration_documents
from clearing.participants.rules import demonstration
from rulebook.tariff import Tariff, load_tariff
from rulebook.tariff.demonstration import demonstration_document
from rulebook.tariff.network import Section


def ways(*sections: tuple[str, str, str, int], transfers: tuple[tuple[str, str], ...] = ()) -> Ways:
    """(line, from, to, metres) each."""
    every = (Section("main", here, there, metres, line) for line, here, there, metres in sections)
    return Ways(tuple(every), transfers)


DIAMOND = ways(("1", "a", "b", 5000), ("2", "b", "d", 5000), ("3", "a", "c", 6000), ("3", "c", "d", 6000))


def test_both_ways_round_the_shortest_first() -> None:
    assert DIAMOND.between("a", "d") == (
        Way({"1": 5000, "2": 5000}, 10_000 + CHANGE_METRES),
        Way({"3": 12_000}, 12_000),
    )
    back = DIAMOND.between("d", "a")
    assert [list(way.metres) for way in back] == [["2", "1"], ["3"]]


def test_a_long_way_round_is_nobodys() -> None:
    found = ways(("1", "a", "b", 5000), ("2", "a", "c", 5000), ("2", "c", "b", 5000)).between("a", "b")
    assert [way.metres for way in found] == [{"1": 5000}]


def test_a_transfer_on_foot_costs_no_metres() -> None:
    found = ways(("1", "a", "b", 5000), ("2", "c", "d", 4000), transfers=(("b", "c"),)).between("a", "d")
    assert [way.metres for way in found] == [{"1": 5000, "2": 4000}]


def test_no_way_is_no_way() -> None:
    assert ways(("1", "a", "b", 1), ("1", "c", "d", 1)).between("a", "d") == ()
    assert DIAMOND.between("a", "elsewhere") == ()


@given(st.lists(st.integers(1, 100_000), min_size=1, max_size=6))
def test_probabilities_sum_to_one_and_the_shorter_way_is_never_the_rarer(lengths: list[int]) -> None:
    chances = probabilities([Way({}, length) for length in sorted(lengths)])
    assert sum(chances) == 1
    assert all(chance >= 0 for chance in chances)
    assert list(chances) == sorted(chances, reverse=True)


@pytest.mark.parametrize(
    ("lengths", "expected"),
    [
        ([10_000], [Fraction(1)]),
        ([10_000, 10_000], [Fraction(1, 2), Fraction(1, 2)]),
        ([10_000, 11_000], [Fraction(682, 1000), Fraction(318, 1000)]),  # 1.1 ** 8 = 2.1436
    ],
)
def test_a_way_is_taken_by_its_length(lengths: list[int], expected: list[Fraction]) -> None:
    assert list(probabilities([Way({}, length) for length in lengths])) == expected


@cache
def network() -> dict[str, Any]:
    return demonstration_document()


@cache
def tariff() -> Tariff:
    return load_tariff(network())


@cache
def shipped() -> Agreement:
    (agreement,) = load_agreements(
        demonstration_agreements(), operators=("metro", "metro-2"), tariff=tariff()
    ).agreements
    return agreement


def test_the_shipped_table_is_the_computed_one() -> None:
    """Of every twentieth pair; ``python -m clearing.apportionment.demonstration`` computes all."""
    of = network_ways(network())
    for pair in demonstration_agreements()["agreements"][0]["pairs"][::20]:
        assert list(declared(of, pair["entry"], pair["exit"])) == [pair]


def test_a_declared_pair_goes_by_its_ways_and_any_other_by_the_way_that_is_priced() -> None:
    declared_pair = shipped().pairs[0]
    got = shipped().weights(declared_pair.entry, declared_pair.exit, tariff(), charged_by="metro")
    assert set(got) == {"metro", "metro-2"}
    assert sum(got.values()) == 1
    assert shipped().weights("0101", "0102", tariff(), charged_by="metro") == {"metro": 1}


def test_every_rail_line_has_its_operator() -> None:
    assert set(shipped().operator_of_line) == {section["line"] for section in network()["sections"]}


@pytest.mark.parametrize("kind", [DocumentKind.CONTRACTS, DocumentKind.APPORTIONMENT])
def test_the_demonstrations_documents_are_right(kind: DocumentKind) -> None:
    city = demonstration()
    around = Surroundings(city, tariff())
    document = demonstration_documents()[kind]
    found = checked(kind, document, before=document, around=around, today=city.effective_from)
    assert found.terms
    assert {terms.effective_from for terms in found.terms} == {city.effective_from}
