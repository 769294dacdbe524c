"""The synthetic city: valid people, a plan that is the seed's alone and holds exactly the taps asked for."""

from __future__ import annotations

from collections import Counter
from datetime import date
from random import Random

import pytest

from rulebook.numbers.citizen_id import check_character
from simulator.city.people import citizens
from simulator.city.places import places
from simulator.city.plan import BusTap, Extent, Happening, Load, MetroTap, Visit, plan_day

DAY = date(2026, 9, 15)


def _plan(seed: int, taps: int, people: int = 40) -> list[Happening]:
    extent = Extent(people=people, taps=taps, insured=range(0, people, 2), vehicles=12, gates=16, desks=2, hospitals=2)
    return plan_day(DAY, extent, random=Random(seed), lost=0)


def test_people_are_different_and_their_numbers_check() -> None:
    people = list(citizens(300, random=Random(7), on=DAY))
    assert len({person.citizen_id for person in people}) == 300
    for person in people:
        assert person.citizen_id[17] == check_character(person.citizen_id[:17])
        assert (int(person.citizen_id[16]) % 2 == 1) == (person.sex == "M")
        assert person.citizen_id[6:14] == f"{person.birth:%Y%m%d}"


def test_the_same_seed_gives_the_same_people_and_another_seed_others() -> None:
    assert list(citizens(20, random=Random(1), on=DAY)) == list(citizens(20, random=Random(1), on=DAY))
    assert list(citizens(20, random=Random(1), on=DAY)) != list(citizens(20, random=Random(2), on=DAY))


@pytest.mark.parametrize("taps", [0, 1, 2, 37, 400])
def test_a_plan_has_exactly_the_taps_asked_for(taps: int) -> None:
    assert sum(isinstance(happening, BusTap | MetroTap) for happening in _plan(3, taps)) == taps


def test_the_same_seed_gives_the_same_plan() -> None:
    assert _plan(5, 200) == _plan(5, 200)
    assert _plan(5, 200) != _plan(6, 200)


@pytest.mark.parametrize("taps", [60, 2000])
def test_nobody_is_in_two_places(taps: int) -> None:
    inside: dict[int, bool] = {}
    loaded: set[int] = set()
    for happening in _plan(9, taps):
        if isinstance(happening, Load):
            loaded.add(happening.person)
        if isinstance(happening, MetroTap):
            assert inside.get(happening.person, False) is not happening.entering
            inside[happening.person] = happening.entering
        if isinstance(happening, BusTap):
            assert not inside.get(happening.person, False)
            assert happening.person in loaded
    assert not any(inside.values())


def test_visits_are_of_the_insured_at_opening_hours() -> None:
    visits = [happening for happening in _plan(9, 60, people=100) if isinstance(happening, Visit)]
    assert len(visits) == 10
    assert all(visit.person % 2 == 0 and 8 <= visit.at.hour < 17 for visit in visits)


def test_device_names_are_unique_and_fit_a_record() -> None:
    names = Counter(place.device for place in places(("0101", "0202")))
    assert set(names.values()) == {1}
    assert all(len(name) <= 12 and name.isascii() for name in names)
