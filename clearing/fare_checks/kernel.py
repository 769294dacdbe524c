"""Which fare class each record of a column belongs to. One pass over the records' bytes, compiled."""

from __future__ import annotations

from typing import NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

from clearing.verification.context import FIRST_YEAR, LAST_YEAR
from clearing.verification.kernels.compiling import compiled
from rulebook.record import Event
from rulebook.tariff.classes import NO_WAY, UNKNOWN_YET, Codes, Flags, Numbers

Octets: TypeAlias = NDArray[np.uint8]

NO_CLASS = -1

_DIGITS = np.array(
    [octet // 16 * 10 + octet % 16 if octet % 16 < 10 and octet // 16 < 10 else NO_CLASS for octet in range(256)]
)
"""Two BCD digits as a number."""

_EXIT, _RIDE = int(Event.EXIT), int(Event.RIDE)


class Windows(NamedTuple):
    """``rulebook.tariff.classes.FareClasses`` as a compiled function takes it."""

    lines: Codes
    way_of_line: Numbers
    stations: Codes
    way_of_pair: Numbers
    paid_edges: Numbers
    time_edges: Numbers
    class_of_code: Numbers
    classes: int
    first_day: int
    working: Numbers


class Places(NamedTuple):
    """Where the fields stand in a record (offsets in bytes); those of file 1A are in ``capp_before``."""

    event: int
    card_class: int
    date: int
    line: int
    place: int
    place_end: int
    entry_time: int
    entry_station: int
    month: int
    month_paid: int


@compiled
def number_classes(
    octets: Octets, which: Numbers, places: Places, windows: Windows, asked: Flags, numbers: Numbers
) -> None:  # pragma: no cover - compiled
    """Fill ``numbers``, one for each row ``which`` of ``octets`` (whole records), with its class or ``NO_CLASS``.
    ``asked`` is set for pairs of stations whose way is unknown yet: learn them and number again. The record's time stands
    behind its date."""
    for at in range(len(which)):
        numbers[at] = _class_of(octets, which[at], places, windows, asked)


@compiled
def _class_of(
    octets: Octets, row: int, places: Places, windows: Windows, asked: Flags
) -> int:  # pragma: no cover - compiled
    event = octets[row, places.event]
    day, seconds, month = _moment(octets, row, places.date)
    if month < 0 or (event != _EXIT and event != _RIDE):
        return NO_CLASS
    paid = _paid_before(octets, row, places, month)
    if paid < 0:
        return NO_CLASS
    if event == _EXIT:
        way = _way_of_trip(octets, row, places, windows, asked)
        day, seconds, entry_month = _moment(octets, row, places.entry_time)
        if entry_month < 0:
            return NO_CLASS
    else:
        way = _at(windows.way_of_line, _find(windows.lines, _number8(octets, row, places.line)))
    day -= windows.first_day
    if way < 0 or day < 0 or day >= len(windows.working):
        return NO_CLASS
    number = way * (len(windows.paid_edges) + 1) + _edges_passed(windows.paid_edges, paid)
    number = number * (len(windows.time_edges) + 1) + _edges_passed(windows.time_edges, seconds)
    number = number * 2 + windows.working[day]
    return int(number * windows.classes + windows.class_of_code[octets[row, places.card_class]])


@compiled
def _way_of_trip(
    octets: Octets, row: int, places: Places, windows: Windows, asked: Flags
) -> int:  # pragma: no cover - compiled
    for at in range(places.place + 8, places.place_end):
        if octets[row, at]:
            return NO_WAY
    entry = _find(windows.stations, _number8(octets, row, places.entry_station))
    exit_ = _find(windows.stations, _number8(octets, row, places.place))
    if entry < 0 or exit_ < 0:
        return NO_WAY
    pair = entry * len(windows.stations) + exit_
    if windows.way_of_pair[pair] == UNKNOWN_YET:
        asked[pair] = True
    return int(windows.way_of_pair[pair])


@compiled
def _paid_before(octets: Octets, row: int, places: Places, charged_month: int) -> int:  # pragma: no cover - compiled
    """Fen paid in the month of the charge (``History.from_card``, ``paid_before``); -1 where the month is unreadable."""
    year, month = _decimal(octets, row, places.month, 1), _decimal(octets, row, places.month + 1, 1)
    if year == 0 and month == 0:
        return 0
    if year < 0 or month < 1 or month > 12:
        return -1
    if (2000 + year) * 12 + month != charged_month:
        return 0
    at = places.month_paid
    return int(octets[row, at]) << 16 | int(octets[row, at + 1]) << 8 | int(octets[row, at + 2])


@compiled
def _moment(octets: Octets, row: int, at: int) -> tuple[int, int, int]:  # pragma: no cover - compiled
    """From YYYYMMDDhhmmss in BCD: days since 1970, seconds of the day, year * 12 + month; a month of -1 if it is none."""
    year, month, day = _decimal(octets, row, at, 2), _decimal(octets, row, at + 2, 1), _decimal(octets, row, at + 3, 1)
    hour, minute, second = (
        _decimal(octets, row, at + 4, 1),
        _decimal(octets, row, at + 5, 1),
        _decimal(octets, row, at + 6, 1),
    )
    if year < FIRST_YEAR or year > LAST_YEAR or month < 1 or month > 12 or day < 1 or day > _days_of(year, month):
        return 0, 0, -1
    if hour < 0 or hour > 23 or minute < 0 or minute > 59 or second < 0 or second > 59:
        return 0, 0, -1
    return _days_since_1970(year, month, day), hour * 3600 + minute * 60 + second, year * 12 + month


@compiled
def _days_of(year: int, month: int) -> int:  # pragma: no cover - compiled
    if month == 2:
        return 29 if year % 4 == 0 and (year % 100 != 0 or year % 400 == 0) else 28
    return 30 if month in (4, 6, 9, 11) else 31


@compiled
def _days_since_1970(year: int, month: int, day: int) -> int:  # pragma: no cover - compiled
    """Years counted from March, so that the leap day is the last."""
    if month <= 2:
        year, month = year - 1, month + 12
    return 365 * year + year // 4 - year // 100 + year // 400 + (153 * (month - 3) + 2) // 5 + day - 719469


@compiled
def _decimal(octets: Octets, row: int, at: int, length: int) -> int:  # pragma: no cover - compiled
    """BCD as a number, below zero where a half-byte is no digit."""
    number = 0
    for place in range(at, at + length):
        digits = _DIGITS[octets[row, place]]
        number = number * 100 + digits if digits >= 0 and number >= 0 else NO_CLASS
    return number


@compiled
def _number8(octets: Octets, row: int, at: int) -> np.uint64:  # pragma: no cover - compiled
    number = np.uint64(0)
    for place in range(at, at + 8):
        number = number << np.uint64(8) | np.uint64(octets[row, place])
    return number


@compiled
def _find(codes: Codes, wanted: np.uint64) -> int:  # pragma: no cover - compiled
    at = int(np.searchsorted(codes, wanted))
    return at if at < len(codes) and codes[at] == wanted else NO_WAY


@compiled
def _at(table: Numbers, index: int) -> int:  # pragma: no cover - compiled
    return int(table[index]) if index >= 0 else NO_WAY


@compiled
def _edges_passed(edges: Numbers, value: int) -> int:  # pragma: no cover - compiled
    passed = 0
    for edge in edges:
        passed += edge <= value
    return passed


@compiled
def first_of_each(numbers: Numbers, bound: int) -> tuple[Numbers, Numbers]:  # pragma: no cover - compiled
    """For numbers below ``bound``: the row where each distinct one stands first, in order of appearance, and for every row
    which of those is its own; ``NO_CLASS`` stays."""
    seen = np.full(bound, NO_CLASS, dtype=np.int64)
    first = np.empty(min(bound, len(numbers)), dtype=np.int64)
    index = np.empty(len(numbers), dtype=np.int64)
    count = 0
    for row in range(len(numbers)):
        number = numbers[row]
        if number >= 0 and seen[number] < 0:
            seen[number] = count
            first[count] = row
            count += 1
        index[row] = seen[number] if number >= 0 else NO_CLASS
    return first[:count], index
