"""A piece of journals in one pass over its bytes, compiled. All of it is in this file: what numba keeps on disk it makes anew
only when the caller's own file has changed. Whoever changes a constant that this takes from elsewhere changes this one, too.

``octets`` are whole records, one row each; ``device`` is each row's device by number."""

from __future__ import annotations

from typing import Any, NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

from clearing.day.schema import CARD_LENGTH, COUNTER_SHIFT, DAY_SECONDS, NO_TIME, Numbers
from clearing.verification.context import FIRST_YEAR, LAST_YEAR
from clearing.verification.kernels.compiling import compiled
from rulebook.record import Event, Kind

Octets: TypeAlias = NDArray[np.uint8]
DeviceNumbers: TypeAlias = NDArray[np.int32]

_INTENT, _OUTCOME = int(Kind.INTENT), int(Kind.OUTCOME)
_EXIT, _LOAD = int(Event.EXIT), int(Event.LOAD)
_NOWHERE = -1

_MONTHS = (
    np.arange(f"{FIRST_YEAR}-01", f"{LAST_YEAR + 1}-02", dtype="datetime64[M]").astype("datetime64[D]").astype(int)
)
"""The first day, since 1970, of each month, and of one month more."""

_HASH_BITS = 39
_GOLDEN = np.uint64(0x9E3779B97F4A7C15)
_MIX_1, _MIX_2 = np.uint64(0xBF58476D1CE4E5B9), np.uint64(0x94D049BB133111EB)  # SplitMix64's


class Places(NamedTuple):
    """Where a record's fields stand, in bytes. The card is issuer ‖ serial, the stamp date ‖ time; stations are the first
    eight characters of a place, that of the entry as the card's file 1A had it."""

    kind: int
    event: int
    outcome: int
    journal_sequence: int
    refers_to: int
    line: int
    card: int
    card_class: int
    key_version: int
    algorithm: int
    purse: int
    transaction_type: int
    amount: int
    balance_before: int
    card_sequence: int
    sam_terminal: int
    sam_sequence: int
    stamp: int
    tac: int
    verdict: int
    list_version: int
    entry_station: int
    place: int


class Entered(NamedTuple):
    """Columns of ``schema.ENTRY`` that are filled from a record alone; ``card`` as rows of bytes."""

    key: NDArray[Any]
    card: NDArray[Any]
    purse: NDArray[Any]
    load: NDArray[Any]
    card_sequence: NDArray[Any]
    device: NDArray[Any]
    sequence: NDArray[Any]
    intent_sequence: NDArray[Any]
    kind: NDArray[Any]
    event: NDArray[Any]
    outcome: NDArray[Any]
    verdict: NDArray[Any]
    key_version: NDArray[Any]
    algorithm: NDArray[Any]
    rider: NDArray[Any]
    amount: NDArray[Any]
    balance_before: NDArray[Any]
    at: NDArray[Any]
    business_day: NDArray[Any]
    transaction_type: NDArray[Any]
    sam_terminal: NDArray[Any]
    sam_sequence: NDArray[Any]
    stamp: NDArray[Any]
    tac: NDArray[Any]
    list_version: NDArray[Any]
    line: NDArray[Any]
    origin: NDArray[Any]
    destination: NDArray[Any]


class Wanted(NamedTuple):
    """``cut_off``: second of the day; ``undated``: business day (since 1970) of what has no time; ``with_stations``: from where
    to where rides went; ``rider_of_code``: by the code that the card says."""

    cut_off: int
    undated: int
    with_stations: bool
    rider_of_code: NDArray[np.int8]


@compiled
def in_order(octets: Octets, device: DeviceNumbers, places: Places) -> bool:  # pragma: no cover - compiled
    """Whether each record stands once, by (device, journal sequence)."""
    for row in range(1, len(octets)):
        if device[row] < device[row - 1]:
            return False
        same = device[row] == device[row - 1]
        if same and _sequence(octets, row, places) <= _sequence(octets, row - 1, places):
            return False
    return True


@compiled
def paired(
    octets: Octets, device: DeviceNumbers, places: Places
) -> tuple[Numbers, Numbers]:  # pragma: no cover - compiled
    """Which rows make entries, and the journal sequence of the intent that each takes along (0: none). ``octets`` are in
    order; a second outcome of one intent stands alone."""
    intent_sequence = np.zeros(len(octets), dtype=np.int64)
    taken_along = np.zeros(len(octets), dtype=np.bool_)
    entries = len(octets)
    for row in range(len(octets)):
        refers_to = _number(octets, row, places.refers_to, 4)
        if octets[row, places.kind] != _OUTCOME or refers_to == 0:
            continue
        intent = _row_of(octets, device, places, row, refers_to)
        if intent == _NOWHERE or taken_along[intent] or octets[intent, places.kind] != _INTENT:
            continue
        if _same_transaction(octets, row, intent, places):
            taken_along[intent] = True
            intent_sequence[row] = refers_to
            entries -= 1
    which = np.empty(entries, dtype=np.int64)
    of_entries = np.empty(entries, dtype=np.int64)
    at = 0
    for row in range(len(octets)):
        if not taken_along[row]:
            which[at], of_entries[at] = row, intent_sequence[row]
            at += 1
    return which, of_entries


@compiled
def _row_of(
    octets: Octets, device: DeviceNumbers, places: Places, row: int, wanted: int
) -> int:  # pragma: no cover - compiled
    """Of record ``wanted`` of the same device. Nearly always it is the row before."""
    if row > 0 and device[row - 1] == device[row] and _sequence(octets, row - 1, places) == wanted:
        return row - 1
    low, high = 0, len(octets)
    while low < high:
        middle = (low + high) // 2
        earlier = device[middle] < device[row]
        if earlier or (device[middle] == device[row] and _sequence(octets, middle, places) < wanted):
            low = middle + 1
        else:
            high = middle
    there = low < len(octets) and device[low] == device[row] and _sequence(octets, low, places) == wanted
    return low if there else _NOWHERE


@compiled
def _same_transaction(octets: Octets, one: int, other: int, places: Places) -> bool:  # pragma: no cover - compiled
    """Amount and event too: an intent that says something else has a row of its own."""
    if (
        octets[one, places.purse] != octets[other, places.purse]
        or octets[one, places.event] != octets[other, places.event]
    ):
        return False
    return (
        _alike(octets, one, other, places.card, CARD_LENGTH)
        and _alike(octets, one, other, places.card_sequence, 2)
        and _alike(octets, one, other, places.amount, 4)
    )


@compiled
def _alike(octets: Octets, one: int, other: int, at: int, length: int) -> bool:  # pragma: no cover - compiled
    differ = np.uint8(0)
    for place in range(at, at + length):
        differ |= octets[one, place] ^ octets[other, place]
    return bool(differ == 0)


@compiled
def clock_faults(octets: Octets, device: DeviceNumbers, places: Places) -> Numbers:  # pragma: no cover - compiled
    """The local second that the device's intent before was dated, where an intent is dated before that; else ``NO_TIME``.
    Only intents are compared: an outcome repeats its intent's time. ``octets`` are in order."""
    faults = np.full(len(octets), NO_TIME, dtype=np.int64)
    of_device, before = np.int32(_NOWHERE), NO_TIME
    for row in range(len(octets)):
        if octets[row, places.kind] != _INTENT:
            continue
        at = local_second(_number(octets, row, places.stamp, 7))
        if at == NO_TIME:
            continue
        if device[row] == of_device and at < before:
            faults[row] = before
        of_device, before = device[row], at
    return faults


@compiled
def enter(
    octets: Octets,
    device: DeviceNumbers,
    which: Numbers,
    intent_sequence: Numbers,
    places: Places,
    wanted: Wanted,
    entered: Entered,
    start: int,
) -> None:  # pragma: no cover - compiled
    """Rows ``which`` of ``octets`` into ``entered``, from row ``start`` of it on."""
    for number in range(len(which)):
        row, to = which[number], start + number
        for place in range(CARD_LENGTH):
            entered.card[to, place] = octets[row, places.card + place]
        entered.purse[to] = octets[row, places.purse]
        entered.load[to] = octets[row, places.event] == _LOAD
        entered.card_sequence[to] = _number(octets, row, places.card_sequence, 2)
        entered.device[to] = device[row]
        entered.sequence[to] = _number(octets, row, places.journal_sequence, 4)
        entered.intent_sequence[to] = intent_sequence[number]
        entered.kind[to] = octets[row, places.kind]
        entered.event[to] = octets[row, places.event]
        entered.outcome[to] = octets[row, places.outcome]
        entered.verdict[to] = octets[row, places.verdict]
        entered.key_version[to] = octets[row, places.key_version]
        entered.algorithm[to] = octets[row, places.algorithm]
        entered.rider[to] = wanted.rider_of_code[octets[row, places.card_class]]
        entered.amount[to] = _number(octets, row, places.amount, 4)
        entered.balance_before[to] = _number(octets, row, places.balance_before, 4)
        entered.transaction_type[to] = octets[row, places.transaction_type]
        entered.sam_terminal[to] = _number(octets, row, places.sam_terminal, 6)
        entered.sam_sequence[to] = _number(octets, row, places.sam_sequence, 4)
        entered.tac[to] = _number(octets, row, places.tac, 4)
        entered.list_version[to] = _number(octets, row, places.list_version, 4)
        entered.line[to] = _number(octets, row, places.line, 8)
        stamp = _number(octets, row, places.stamp, 7)
        entered.stamp[to] = stamp
        at = local_second(stamp)
        entered.at[to] = at
        entered.business_day[to] = business_day(at, wanted.cut_off) if at != NO_TIME else wanted.undated
        entered.key[to] = _key(entered.card, to, entered.purse[to], entered.load[to], entered.card_sequence[to])
        between = wanted.with_stations and octets[row, places.event] == _EXIT
        entered.origin[to] = _number(octets, row, places.entry_station, 8) if between else 0
        entered.destination[to] = _number(octets, row, places.place, 8) if between else 0


@compiled
def keys(cards: Octets, purse: Numbers, load: Numbers, sequence: Numbers) -> Numbers:  # pragma: no cover - compiled
    """``cards``: rows of 18 bytes."""
    made = np.empty(len(cards), dtype=np.int64)
    for row in range(len(cards)):
        made[row] = _key(cards, row, purse[row], load[row], sequence[row])
    return made


@compiled
def hashes(cards: Octets) -> NDArray[np.uint64]:  # pragma: no cover - compiled
    made = np.empty(len(cards), dtype=np.uint64)
    for row in range(len(cards)):
        made[row] = _hash(cards, row)
    return made


@compiled
def _key(cards: Octets, row: int, purse: int, load: bool, sequence: int) -> int:  # pragma: no cover - compiled
    counter = _hash(cards, row) << np.uint64(9) | np.uint64(purse) << np.uint64(1) | np.uint64(load)
    return np.int64(counter << np.uint64(COUNTER_SHIFT) | np.uint64(sequence))  # type: ignore[return-value]


@compiled
def _hash(cards: Octets, row: int) -> np.uint64:  # pragma: no cover - compiled
    mixed = _mixed(np.uint64(_number(cards, row, 8, 2)) + _GOLDEN)
    mixed = _mixed(np.uint64(_number(cards, row, 10, 8)) ^ mixed)
    mixed = _mixed(np.uint64(_number(cards, row, 0, 8)) ^ mixed)
    return mixed >> np.uint64(64 - _HASH_BITS)


@compiled
def _mixed(value: np.uint64) -> np.uint64:  # pragma: no cover - compiled
    value = (value ^ (value >> np.uint64(30))) * _MIX_1
    value = (value ^ (value >> np.uint64(27))) * _MIX_2
    return value ^ (value >> np.uint64(31))


@compiled
def _sequence(octets: Octets, row: int, places: Places) -> int:  # pragma: no cover - compiled
    return _number(octets, row, places.journal_sequence, 4)


@compiled
def _number(octets: Octets, row: int, at: int, length: int) -> int:  # pragma: no cover - compiled
    """Big-endian. Of eight bytes the highest bit is the sign."""
    number = np.uint64(0)
    for place in range(at, at + length):
        number = number << np.uint64(8) | np.uint64(octets[row, place])
    return np.int64(number)  # type: ignore[return-value]


@compiled
def local_second(stamp: int) -> int:  # pragma: no cover - compiled
    """Of YYYYMMDDhhmmss in BCD (56 bits), seconds since 1970 by the local clock; ``NO_TIME`` where it is no time."""
    digits, whole = 0, True
    for place in range(52, -1, -4):
        digit = stamp >> place & 0x0F
        whole = whole and digit <= 9
        digits = digits * 10 + digit
    date, clock = digits // 1_000_000, digits % 1_000_000
    year, month, day = date // 10_000, date // 100 % 100, date % 100
    hour, minute, second = clock // 10_000, clock // 100 % 100, clock % 100
    if not whole or year < FIRST_YEAR or year > LAST_YEAR or month < 1 or month > 12:
        return NO_TIME
    first = (year - FIRST_YEAR) * 12 + month - 1
    if day < 1 or day > _MONTHS[first + 1] - _MONTHS[first] or hour > 23 or minute > 59 or second > 59:
        return NO_TIME
    return int((_MONTHS[first] + day - 1) * DAY_SECONDS + hour * 3600 + minute * 60 + second)


@compiled
def business_day(at: int, cut_off: int) -> int:  # pragma: no cover - compiled
    """Days since 1970 as ``Calendar.business_day`` counts them."""
    return (at - cut_off) // DAY_SECONDS
