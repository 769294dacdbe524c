"""Fares of many records priced again at once: one of each fare class by ``reprice``, the others by looking it up.

A record whose bytes are not plainly a ride of a published tariff (a date that is none, an unknown station, an unreadable
month) is given to ``reprice`` alone, which says what is the matter.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from card_os.profile.transit import TRANSIT_PROCESS
from clearing.fare_checks.kernel import NO_CLASS, Places, Windows, first_of_each, number_classes
from clearing.fare_checks.rules import NotPriceable, reprice
from rulebook.record import Record
from rulebook.record.columns import RECORD_DTYPE
from rulebook.tariff import PricedFare, Tariff
from rulebook.tariff.classes import FareClasses, Numbers


@dataclass(frozen=True, slots=True)
class Repriced:
    """``index`` has one number for each record: which of ``fares`` is its own. The first ``known`` of them are what the
    ``Repricer`` has learnt so far, and have the same numbers in its next answers."""

    index: Numbers
    fares: tuple[PricedFare | NotPriceable, ...]
    known: int

    @property
    def total_minor(self) -> Numbers:
        """What each record should have charged, fen; -1 where it could not be priced."""
        totals = [fare.total.minor if isinstance(fare, PricedFare) else -1 for fare in self.fares]
        return np.array(totals, dtype=np.int64)[self.index]


class Repricer:
    """Keeps what it learns about the tariffs between calls."""

    def __init__(self, tariffs: Mapping[int, Tariff]) -> None:
        self._tariffs = tariffs
        self._classes = {version: FareClasses(tariff) for version, tariff in tariffs.items()}
        self._number: dict[tuple[int, int], int] = {}  # of a tariff's class among the known fares
        self._known: list[PricedFare | NotPriceable] = []

    def reprice(self, rows: NDArray[np.void], which: Numbers | None = None) -> Repriced:
        """``rows`` are of ``RECORD_DTYPE``; each should be a RIDE or an EXIT. ``which``: not all of them but these, in this
        order."""
        rows = np.ascontiguousarray(rows)
        which = np.arange(len(rows)) if which is None else which
        index = np.full(len(which), NO_CLASS, dtype=np.int64)
        versions = np.take(rows["tariff_version"], which)
        for version, classes in self._classes.items():
            at = np.flatnonzero(versions == version)
            first, own, numbers = _classed(rows, which[at], classes)
            pairs = zip(which[at[first]].tolist(), numbers[first].tolist(), strict=True)
            known = [self._learnt((version, number), rows[row]) for row, number in pairs]
            index[at] = np.array([*known, NO_CLASS], dtype=np.int64)[own]
        alone = np.flatnonzero(index == NO_CLASS)
        index[alone] = len(self._known) + np.arange(len(alone))
        of_alone = (self._one(rows[row]) for row in which[alone].tolist())
        return Repriced(index, (*self._known, *of_alone), len(self._known))

    def _learnt(self, of_class: tuple[int, int], row: Any) -> int:
        """The number of a class's fare; ``row`` is one of the class."""
        if of_class not in self._number:
            self._number[of_class] = len(self._known)
            self._known.append(self._one(row))
        return self._number[of_class]

    def _one(self, row: Any) -> PricedFare | NotPriceable:
        try:
            return reprice(Record.decode(row.tobytes()), self._tariffs)
        except NotPriceable as why:
            return why


def _classed(rows: NDArray[np.void], which: Numbers, classes: FareClasses) -> tuple[Numbers, Numbers, Numbers]:
    """Of rows ``which``: one of each class, for every one which of those it is like, and its class's number."""
    octets = rows.view(np.uint8).reshape(len(rows), RECORD_DTYPE.itemsize)
    numbers = np.empty(len(which), dtype=np.int64)
    asked = np.zeros(len(classes.way_of_pair), dtype=np.bool_)
    windows = _windows(classes)
    number_classes(octets, which, _PLACES, windows, asked, numbers)
    if asked.any():
        classes.learn(np.flatnonzero(asked))
        number_classes(octets, which, _PLACES, windows, asked, numbers)
    bound = classes.ways * (len(windows.paid_edges) + 1) * (len(windows.time_edges) + 1) * 2 * windows.classes
    return *first_of_each(numbers, bound), numbers


def _windows(classes: FareClasses) -> Windows:
    return Windows(**{name: getattr(classes, name) for name in Windows._fields})


def _places() -> Places:
    offset: dict[str, int] = {name: field[1] for name, field in (RECORD_DTYPE.fields or {}).items()}

    def of_card(name: str) -> int:
        start: int = TRANSIT_PROCESS.span(name).start
        return offset["capp_before"] + start

    assert offset["time"] == offset["date"] + 4  # the kernel reads them as one
    return Places(
        event=offset["event"],
        card_class=offset["card_class"],
        date=offset["date"],
        line=offset["line"],
        place=offset["place"],
        place_end=offset["place"] + RECORD_DTYPE["place"].itemsize,
        entry_time=of_card("entry_time"),
        entry_station=of_card("entry_station"),
        month=of_card("month"),
        month_paid=of_card("month_paid_minor"),
    )


_PLACES = _places()
