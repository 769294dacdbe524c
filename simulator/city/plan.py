"""What everybody does on the day, from one seed: who rides, loads, visits when, and which cards are pulled too early."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from random import Random
from typing import TypeAlias

from rulebook.calendar import BUSINESS_ZONE
from rulebook.money import Amount, yuan

FIRST_RIDE, LAST_RIDE = time(6, 20), time(21, 40)
METRO_SHARE = 0.4  # of rides; a metro ride is two taps
LONGEST_TRIP = timedelta(minutes=55)
VISIT_SHARE = 0.2  # of insured citizens
PULLED_SHARE = 0.01  # of bus taps: the card leaves the field too early
LOAD_AMOUNTS = tuple(map(yuan, ("20.00", "30.00", "50.00", "100.00")))
HEAVY_USE = 12  # rides from which a person loads twice the largest amount


@dataclass(frozen=True, slots=True)
class Load:
    at: datetime
    person: int
    desk: int
    amount: Amount


@dataclass(frozen=True, slots=True)
class BusTap:
    """``pulled``: the card leaves while DEBIT is being executed; whether it was is ``executed``."""

    at: datetime
    person: int
    vehicle: int
    pulled: bool = False
    executed: bool = False


@dataclass(frozen=True, slots=True)
class MetroTap:
    at: datetime
    person: int
    gate: int
    entering: bool


@dataclass(frozen=True, slots=True)
class Visit:
    at: datetime
    person: int
    hospital: int


@dataclass(frozen=True, slots=True)
class Loss:
    """The holder reports the card lost; somebody else goes on using it."""

    at: datetime
    person: int


Happening: TypeAlias = Load | BusTap | MetroTap | Visit | Loss


@dataclass(frozen=True, slots=True)
class Extent:
    """How much of everything there is."""

    people: int
    taps: int
    insured: Sequence[int]
    vehicles: int
    gates: int
    desks: int
    hospitals: int


def plan_day(
    day: date, extent: Extent, *, random: Random, lost: int | None, pulled_share: float = PULLED_SHARE
) -> list[Happening]:
    """The day's happenings in order of time. The number of taps is exactly ``extent.taps``. ``lost``: whose card is reported
    lost that day, if anybody's."""
    happenings: list[Happening] = []
    for person, metro_rides in _rides(extent, random).items():
        happenings += _persons_day(day, person, metro_rides, extent, random, pulled_share)
    visitors = random.sample(extent.insured, round(len(extent.insured) * VISIT_SHARE))
    opening = _at(day, time(8, 30))
    for person in visitors:
        moment = opening + timedelta(minutes=random.randrange(8 * 60), seconds=random.randrange(60))
        happenings.append(Visit(moment, person, random.randrange(extent.hospitals)))
    if lost is not None:
        happenings.append(Loss(_at(day, time(11, 0)), lost))
    # A moment shared by two people falls in the order of the people, so that the order is the seed's alone.
    return sorted(happenings, key=lambda happening: (happening.at, happening.person))


def _at(day: date, moment: time) -> datetime:
    return datetime.combine(day, moment, BUSINESS_ZONE)


def _rides(extent: Extent, random: Random) -> dict[int, list[bool]]:
    """For each person the rides of the day, True for a metro ride."""
    rides: dict[int, list[bool]] = {person: [] for person in range(extent.people)}
    left = extent.taps
    while left > 0:
        metro = left > 1 and random.random() < METRO_SHARE
        rides[random.randrange(extent.people)].append(metro)
        left -= 2 if metro else 1
    return rides


def _persons_day(
    day: date, person: int, rides: list[bool], extent: Extent, random: Random, pulled_share: float
) -> list[Happening]:
    start = _at(day, FIRST_RIDE)
    if not rides:
        return [Load(start, person, random.randrange(extent.desks), random.choice(LOAD_AMOUNTS))]
    window = (_at(day, LAST_RIDE) - start) / len(rides)
    happenings: list[Happening] = []
    for number, metro in enumerate(rides):
        begin = _whole_second(start + window * number + window * random.random() / 2)
        happenings += _ride(begin, min(LONGEST_TRIP, window / 2), metro, person, extent, random, pulled_share)
    amount = LOAD_AMOUNTS[-1] * 2 if len(rides) >= HEAVY_USE else random.choice(LOAD_AMOUNTS)
    before = happenings[0].at - timedelta(minutes=random.randrange(5, 40))
    return [Load(before, person, random.randrange(extent.desks), amount), *happenings]


def _ride(
    begin: datetime, longest: timedelta, metro: bool, person: int, extent: Extent, random: Random, pulled_share: float
) -> list[Happening]:
    if not metro:
        pulled = random.random() < pulled_share
        executed = pulled and random.random() < 0.5
        return [BusTap(begin, person, random.randrange(extent.vehicles), pulled, executed)]
    entry, leave = random.sample(range(extent.gates), 2)
    end = _whole_second(begin + longest * random.uniform(0.3, 1.0))
    return [MetroTap(begin, person, entry, True), MetroTap(end, person, leave, False)]


def _whole_second(moment: datetime) -> datetime:
    return moment.replace(microsecond=0)
