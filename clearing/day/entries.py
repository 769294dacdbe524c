"""Rows of journals as entries: outcomes paired with their intents, and everything about them that needs no register."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, time, timedelta

import numpy as np

from card_os.profile.transit import TRANSIT_PROCESS
from clearing.day import kernel
from clearing.day.fares import Pricer
from clearing.day.kernel import DeviceNumbers, Entered, Places, Wanted
from clearing.day.moments import local_second, second_of_day
from clearing.day.schema import ENTRY, NO_TIME, Columns, Numbers, octets
from rulebook.record import Event, Kind, Outcome
from rulebook.record.columns import RECORD_DTYPE, Rows
from rulebook.tariff import RiderClass

_CLASSES = tuple(RiderClass)
_NAMES = {str(rider_class): number for number, rider_class in enumerate(_CLASSES)}
_RIDER_OF_CODE = np.array([_CLASSES.index(RiderClass.of_code(code)) for code in range(256)], dtype=np.int8)
_EPOCH = date(1970, 1, 1)


def rider_number(rider_class: str) -> int:
    """Index in ``RiderClass``; -1 for a class that no tariff knows."""
    return _NAMES.get(rider_class, -1)


def day_number(day: date) -> int:
    """Days since 1970."""
    return (day - _EPOCH).days


def date_of(number: int) -> date:
    """What ``day_number`` was given."""
    return _EPOCH + timedelta(days=number)


def _places() -> Places:
    offset: dict[str, int] = {name: field[1] for name, field in (RECORD_DTYPE.fields or {}).items()}
    assert offset["serial"] == offset["issuer"] + 8  # the kernel reads them as one,
    assert offset["time"] == offset["date"] + 4  # and these
    named = {
        "card": offset["issuer"],
        "amount": offset["amount_minor"],
        "balance_before": offset["balance_before_minor"],
        "stamp": offset["date"],
        "verdict": offset["mac2_verdict"],
        "entry_station": offset["capp_before"] + TRANSIT_PROCESS.span("entry_station").start,
    }
    return Places(**{name: named[name] if name in named else offset[name] for name in Places._fields})


_PLACES = _places()


@dataclass(frozen=True, slots=True)
class Reading:
    """By what rows are read. ``cut_off`` and ``business_day`` are the calendar's and the window's. ``with_stations``: whether
    somebody wants to know from where to where rides went."""

    business_day: date
    cut_off: time
    pricer: Pricer
    with_stations: bool = False


class Sheet:
    """Columns of ``ENTRY`` with room for so many rows, filled from the top."""

    def __init__(self, room: int, reading: Reading) -> None:
        self._columns: Columns = {name: np.zeros(room, dtype=ENTRY[name]) for name in ENTRY.names or ()}
        self._entered = Entered(
            **{name: self._columns[name] for name in Entered._fields if name != "card"},
            card=octets(self._columns["card"]),
        )
        self._reading = reading
        self._filled = 0

    def enter(
        self, rows: Rows, device: DeviceNumbers, which: Numbers, intent_sequence: Numbers, *, priced: bool | None = None
    ) -> None:
        """Rows ``which``, all but ``waiting``. ``priced``: whether fares are asked for; by default those of outcomes done."""
        first, self._filled = self._filled, self._filled + len(which)
        kernel.enter(
            octets(rows), device, which, intent_sequence, _PLACES, _wanted(self._reading), self._entered, first
        )
        columns = {name: column[first : self._filled] for name, column in self._columns.items()}
        asked = (columns["kind"] == Kind.OUTCOME) & (columns["outcome"] == Outcome.DONE) if priced is None else priced
        rides = np.flatnonzero(asked & ((columns["event"] == Event.RIDE) | (columns["event"] == Event.EXIT)))
        self._reading.pricer.price(rows, which[rides], columns, rides)

    def entries(self) -> Columns:
        return {name: column[: self._filled] for name, column in self._columns.items()}


def in_order(rows: Rows, device: DeviceNumbers) -> bool:
    """Whether each record stands once, by (device, journal sequence)."""
    return kernel.in_order(octets(rows), device, _PLACES)


def paired(rows: Rows, device: DeviceNumbers) -> tuple[Numbers, Numbers]:
    """Which rows make entries, and the journal sequence of the intent that each takes along (0: none). ``rows`` are in
    order of (device, journal sequence), each once."""
    return kernel.paired(octets(rows), device, _PLACES)


def entries_of(rows: Rows, device: DeviceNumbers, reading: Reading, *, priced: bool | None = None) -> Columns:
    """Each of ``rows`` for itself; ``priced`` as for ``Sheet.enter``."""
    sheet = Sheet(len(rows), reading)
    sheet.enter(rows, device, np.arange(len(rows)), np.zeros(len(rows), dtype=np.int64), priced=priced)
    return sheet.entries()


def clock_faults(rows: Rows, device: DeviceNumbers) -> list[tuple[int, int, int, int]]:
    """(device, journal sequence, local second before, local second) of each intent dated before the one before it. ``rows`` as
    for ``paired``."""
    before = kernel.clock_faults(octets(rows), device, _PLACES)
    back = np.flatnonzero(before != NO_TIME)
    at = [local_second(row["date"].tobytes() + row["time"].tobytes()) for row in rows[back]]
    numbers = rows["journal_sequence"][back].tolist()
    return list(zip(device[back].tolist(), numbers, before[back].tolist(), at, strict=True))


def _wanted(reading: Reading) -> Wanted:
    undated = day_number(reading.business_day)
    return Wanted(second_of_day(reading.cut_off), undated, reading.with_stations, _RIDER_OF_CODE)
