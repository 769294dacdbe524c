"""Rides that no rule of a tariff tells apart, numbered, so that a day of them is priced by pricing one of each.

``price`` looks at a ride through few windows only: which legs at which base fare, whether the entry is among a
discount's entries, between which of the tariff's times and month totals it falls, the rider class and whether the day is
a working day. Rides with the same view have the same fare, line by line. These are the windows as tables.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date, time, timedelta
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from rulebook.calendar import Calendar
from rulebook.tariff.network import NoFare
from rulebook.tariff.ride import RiderClass
from rulebook.tariff.tariff import Tariff

Numbers: TypeAlias = NDArray[np.int64]
Codes: TypeAlias = NDArray[np.uint64]
Flags: TypeAlias = NDArray[np.bool_]

NO_WAY = -1
"""The tariff has no fare for it; ``price`` says why."""

UNKNOWN_YET = -2
"""Nobody has asked about this pair of stations so far: ``FareClasses.learn``."""

_View: TypeAlias = tuple[tuple[tuple[str, int], ...], tuple[bool, ...]]
_CLASSES = tuple(RiderClass)
_EPOCH = date(1970, 1, 1)


def code(text: str) -> int:
    """A line's or station's code as columns carry it: ASCII, NUL padded to 8 bytes, big-endian."""
    return int.from_bytes(text.encode("ascii").ljust(8, b"\x00"), "big")


class FareClasses:
    """The windows of one tariff.

    ``lines`` and ``stations`` are codes in rising order; ``way_of_line[line]`` and ``way_of_pair[entry * len(stations) +
    exit]`` number the ways (legs with their base fares, and the discounts' entries they begin at). A value's place among
    ``time_edges`` (seconds of the day) and ``paid_edges`` (fen) counts the edges not above it. ``class_of_code`` is for
    the card's byte; ``working`` holds 1 or 0 for each day from ``first_day`` (days since 1970-01-01).
    """

    def __init__(self, tariff: Tariff) -> None:
        self._tariff = tariff
        conditions = [discount.when for discount in tariff.discounts]
        bounds = [(when.month_paid_from_minor, when.month_paid_below_minor) for when in conditions]
        self.paid_edges = _rising(edge for pair in bounds for edge in pair if edge is not None)
        self.time_edges = _rising(_seconds(when.before) for when in conditions if when.before is not None)
        self.class_of_code = np.array([_CLASSES.index(RiderClass.of_code(code)) for code in range(256)], dtype=np.int64)
        self.classes = len(_CLASSES)
        self.first_day = (tariff.calendar.first_day - _EPOCH).days
        self.working = _working_days(tariff.calendar)
        self._entry_sets = [frozenset(when.entries) for when in conditions if when.entries]
        self._views: dict[_View, int] = {}
        lines = sorted(tariff.lines, key=code)
        self.lines = np.array([code(line) for line in lines], dtype=np.uint64)
        self.way_of_line = np.array([self._line_way(line) for line in lines], dtype=np.int64)
        self._names = sorted(tariff.stations, key=code)
        self.stations = np.array([code(name) for name in self._names], dtype=np.uint64)
        self.way_of_pair = np.full(len(self._names) ** 2, UNKNOWN_YET, dtype=np.int64)

    @property
    def ways(self) -> int:
        """How many there are so far."""
        return len(self._views)

    def learn(self, pairs: Iterable[int]) -> None:
        """Find the ways of ``pairs``, indices into ``way_of_pair``."""
        for pair in pairs:
            entry, exit_ = divmod(int(pair), len(self._names))
            self.way_of_pair[pair] = self._pair_way(self._names[entry], self._names[exit_])

    def _line_way(self, line: str) -> int:
        zone = self._tariff.zones[self._tariff.lines[line].zone]
        return self._way((((zone.code, zone.fare_minor(0)),), tuple(False for _ in self._entry_sets)))

    def _pair_way(self, entry: str, exit_: str) -> int:
        try:
            legs = self._tariff.network.legs(entry, exit_)
        except NoFare:
            return NO_WAY
        fares = tuple((leg.zone, self._tariff.zones[leg.zone].fare_minor(leg.metres)) for leg in legs)
        return self._way((fares, tuple(entry in entries for entries in self._entry_sets)))

    def _way(self, view: _View) -> int:
        return self._views.setdefault(view, len(self._views))


def _working_days(calendar: Calendar) -> Numbers:
    days = (calendar.last_day - calendar.first_day).days + 1
    every = (calendar.first_day + timedelta(days=day) for day in range(days))
    return np.array([calendar.is_working_day(day) for day in every], dtype=np.int64)


def _rising(values: Iterable[int]) -> Numbers:
    return np.array(sorted(set(values)), dtype=np.int64)


def _seconds(before: time) -> int:
    """The first second of the day that is not before it."""
    return before.hour * 3600 + before.minute * 60 + before.second + (before.microsecond > 0)
