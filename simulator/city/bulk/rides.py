"""Who rides when and where, from the seed: ``plan``'s day in columns. A metro ride is two taps."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from rulebook.record import Event
from simulator.city.bulk.town import Town
from simulator.city.plan import FIRST_RIDE, LAST_RIDE, LONGEST_TRIP, METRO_SHARE

Numbers = NDArray[np.int64]

_FIRST = FIRST_RIDE.hour * 3600 + FIRST_RIDE.minute * 60
_WINDOW = LAST_RIDE.hour * 3600 + LAST_RIDE.minute * 60 - _FIRST


@dataclass(frozen=True, slots=True)
class Taps:
    """By card and time. ``at`` are seconds of the day; ``round`` counts the card's paying taps (bus and exit) before this one;
    ``metro`` is the place of the card's newest entry or exit before this tap, -1: none today."""

    card: Numbers
    at: Numbers
    device: Numbers
    event: NDArray[np.uint8]
    round: Numbers
    metro: Numbers
    first: Numbers
    """Place of the card's first tap."""


def taps_of(town: Town) -> Taps:
    """Exactly as many as ``town.extent`` says."""
    random = np.random.default_rng([town.seed, 2])
    metro = _metro(random, town.extent.taps)
    card = np.sort(random.integers(0, town.extent.cards, len(metro)))
    begin, end = _times(random, card)
    taps = 1 + metro
    ride = np.repeat(np.arange(len(metro)), taps)
    leaving = np.zeros(len(ride), dtype=np.bool_)
    leaving[np.cumsum(taps)[metro] - 1] = True
    event = np.where(leaving, Event.EXIT, np.where(metro[ride], Event.ENTRY, Event.RIDE)).astype(np.uint8)
    return _linked(
        card[ride], np.where(leaving, end[ride], begin[ride]), _devices(random, town, metro, ride, leaving), event
    )


def _metro(random: np.random.Generator, taps: int) -> NDArray[np.bool_]:
    """Of each ride whether it is one by metro."""
    metro: NDArray[np.bool_] = random.random(taps) < METRO_SHARE
    upto = np.cumsum(1 + metro)
    rides = int(np.searchsorted(upto, taps, "right"))
    left = taps - (int(upto[rides - 1]) if rides else 0)
    return np.concatenate([metro[:rides], np.zeros(left, dtype=np.bool_)])


def _times(random: np.random.Generator, card: Numbers) -> tuple[Numbers, Numbers]:
    """Begin and end of each ride; a card's do not overlap."""
    first = np.searchsorted(card, card)
    rides = np.searchsorted(card, card, "right") - first
    slot = _WINDOW / rides
    begin = _FIRST + slot * (np.arange(len(card)) - first) + slot * random.random(len(card)) / 2
    longest = np.minimum(LONGEST_TRIP.total_seconds(), slot / 2)
    end = begin + longest * random.uniform(0.3, 1.0, len(card))
    return begin.astype(np.int64), end.astype(np.int64)


def _devices(
    random: np.random.Generator, town: Town, metro: NDArray[np.bool_], ride: Numbers, leaving: NDArray[np.bool_]
) -> Numbers:
    stations = len(town.stations)
    entry = random.integers(0, stations, len(metro))
    leave = (entry + random.integers(1, stations, len(metro))) % stations
    vehicle = random.integers(0, town.vehicles, len(metro))
    gate = random.integers(0, town.gates_of_a_station, len(ride))
    station = np.where(leaving, leave[ride], entry[ride])
    return np.where(metro[ride], town.first_gate + station * town.gates_of_a_station + gate, vehicle[ride])


def _linked(card: Numbers, at: Numbers, device: Numbers, event: NDArray[np.uint8]) -> Taps:
    place = np.arange(len(card))
    first = np.searchsorted(card, card)
    paying = np.cumsum(event != Event.ENTRY) - (event != Event.ENTRY)
    newest = np.maximum.accumulate(np.where(event == Event.RIDE, -1, place))
    before = np.concatenate([np.array([-1]), newest[:-1]])[: len(card)]
    metro = np.where(before >= first, before, -1)
    return Taps(card, at, device, event, paying - paying[first], metro, first)
