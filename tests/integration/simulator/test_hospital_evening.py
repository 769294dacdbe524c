"""The day's end at the hospitals, over the real services."""

from __future__ import annotations

from simulator.city.places import HOSPITALS
from simulator.city.run import Played


def test_every_hospital_agrees_with_the_fund(city: Played) -> None:
    assert [evening.institution for evening in city.diary.evenings] == list(HOSPITALS)
    assert all(evening.agrees for evening in city.diary.evenings)
    assert city.diary.visits["settled"] > 0
