"""A ride's parts, told with what they follow from."""

from __future__ import annotations

from datetime import date
from functools import cache
from typing import Any

import pytest

from clearing.apportionment.agreement import Agreements, load_agreements
from clearing.apportionment.demonstration import demonstration_agreements
from clearing.apportionment.explaining import Explained, explained
from clearing.apportionment.sharing import Rides, shared
from rulebook.tariff import NoFare, Tariff, load_tariff
from rulebook.tariff.demonstration import demonstration_document

DAY = date(2026, 9, 15)


@cache
def tariff() -> Tariff:
    return load_tariff(demonstration_document())


@cache
def agreements() -> Agreements:
    return load_agreements(demonstration_agreements(), operators=("metro", "metro-2"), tariff=tariff())


def asked(origin: str, destination: str, **changes: Any) -> Explained | None:
    terms: dict[str, Any] = {"day": DAY, "operator": "metro", "minor": 503} | changes
    return explained(agreements(), tariff(), origin=origin, destination=destination, **terms)


PAIR = agreements().agreements[0].pairs[0]


@pytest.mark.parametrize(
    ("origin", "destination"), [(PAIR.entry, PAIR.exit), (PAIR.exit, PAIR.entry), ("0101", "0411")]
)
def test_the_explanation_is_what_is_shared(origin: str, destination: str) -> None:
    told = asked(origin, destination)
    assert told is not None
    rides = Rides(DAY, "metro", origin, destination, "", 503, 1)
    made = shared(1, [rides], agreements=agreements(), tariffs={1: tariff()})
    theirs = sum(transfer.amount.minor for transfer in made.transfers)
    assert {operator: minor for operator, _, minor in told.parts} == {"metro": 503 - theirs, "metro-2": theirs}
    assert theirs > 0
    assert sum(way.probability for way in told.taken) == 1


def test_a_declared_pair_is_told_by_its_ways() -> None:
    told = asked(PAIR.entry, PAIR.exit)
    assert told is not None
    assert [dict(way.metres) for way in told.taken] == [way.metres for way in PAIR.ways]


def test_in_no_agreement_there_is_nothing_to_tell() -> None:
    assert asked("0101", "0102", operator="bus-a") is None
    assert asked("0101", "0102", day=date(2026, 9, 14)) is None


def test_an_unknown_station_is_said() -> None:
    with pytest.raises(NoFare, match="nowhere"):
        asked("0101", "nowhere")
