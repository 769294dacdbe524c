"""What clearing remembers of each card's counters: the highest posted, a bit for each of the 64 up to it, and the next due.

Purse counters only rise, so a repeat is found by a look at one bit; what is more than 63 late is looked up in the cleared
records.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from clearing.day.schema import COUNTER_SHIFT, Columns, Flags, Numbers, stacked, taken
from rulebook.record import Event

COUNTER = np.dtype(
    [
        ("key", "i8"),  # of the counter's transaction 0: the lower bits are clear
        ("card", "V18"),
        ("highest", "i4"),  # posted; -1: none
        ("window", "i8"),  # bit n: highest - n has been posted
        ("next", "i4"),  # the sequence expected next: after the last that was posted or held
        ("inside", "i4"),  # of an entry, if that was the last; -1: it was none
    ]
)
WIDTH = 64
_LOW = (1 << COUNTER_SHIFT) - 1


def order_of(key: Numbers, card: NDArray[np.void]) -> Numbers:
    """Rows by counter, then card, then sequence. Cards that share a hash are told apart by their bytes."""
    order = np.argsort(key, kind="stable")
    counter = key[order] >> COUNTER_SHIFT
    mixed = (counter[1:] == counter[:-1]) & (card[order[1:]] != card[order[:-1]])
    for shared in np.unique(counter[1:][mixed]).tolist():
        first, last = np.searchsorted(counter, [shared, shared + 1])
        rows = sorted(order[first:last].tolist(), key=lambda row: (card[row].tobytes(), int(key[row])))
        order[first:last] = rows
    return order


def _starts(key: Numbers, card: NDArray[np.void]) -> Flags:
    """Where a counter's rows begin, in the order of ``order_of``."""
    first = np.ones(len(key), dtype=np.bool_)
    counter = key >> COUNTER_SHIFT
    first[1:] = (counter[1:] != counter[:-1]) | (card[1:] != card[:-1])
    return first


def _found(counters: Columns, key: Numbers, card: NDArray[np.void]) -> Numbers:
    """The row of ``counters`` (in order) for each wanted counter, or -1."""
    base = key & ~np.int64(_LOW)
    place = np.searchsorted(counters["key"], base)
    result = np.full(len(key), -1, dtype=np.int64)
    open_ = np.arange(len(key))
    while True:
        open_ = open_[place[open_] < len(counters["key"])]
        open_ = open_[counters["key"][place[open_]] == base[open_]]
        if not len(open_):
            return result
        hit = counters["card"][place[open_]] == card[open_]
        result[open_[hit]] = place[open_[hit]]
        open_ = open_[~hit]
        place[open_] += 1


def seen(counters: Columns, key: Numbers, card: NDArray[np.void]) -> Flags:
    """Transactions that were posted before, or are too late to tell."""
    row = _found(counters, key, card)
    if not (row >= 0).any():
        return np.zeros(len(key), dtype=np.bool_)
    late = counters["highest"][row].astype(np.int64) - (key & _LOW)
    bit = (counters["window"][row] >> np.clip(late, 0, WIDTH - 1)) & 1
    known: Flags = (row >= 0) & (late >= 0) & ((late >= WIDTH) | (bit == 1))
    return known


@dataclass(frozen=True, slots=True, order=True)
class Unfinished:
    """An entry whose card's very next purchase is no exit."""

    card: bytes
    purse: int
    sequence: int


@dataclass(frozen=True, slots=True, order=True)
class Gap:
    """Sequences ``first`` to ``last`` of a card's purse that no record names though later ones are used."""

    card: bytes
    purse: int
    first: int
    last: int


def advanced(
    counters: Columns, key: Numbers, card: NDArray[np.void], settled: Flags, used: Flags, event: NDArray[Any]
) -> tuple[Columns, list[Gap], list[Unfinished]]:
    """The counters after a window, what is missing below the highest that is used, and trips that were not finished. One row
    for each card transaction, in any order; ``used``: posted or held."""
    order = order_of(key, card)
    key, card, settled, used, event = key[order], card[order], settled[order], used[order], event[order]
    start = _starts(key, card)
    named: Columns = {"key": key[start] & ~np.int64(_LOW), "card": card[start]}
    old = _found(counters, named["key"], named["card"])
    before = _before(counters, old)
    segment = np.cumsum(start) - 1
    sequence = key & _LOW
    after = _after(before, segment, sequence, settled, used)
    after["inside"] = _inside(before, after, segment, sequence, used & (event == Event.ENTRY))
    gaps = _gaps(before, after, named, segment, sequence)
    unfinished = _unfinished(before, named, segment, sequence, used, event)
    untouched = np.ones(len(counters["key"]), dtype=np.bool_)
    untouched[old[old >= 0]] = False
    every = stacked([taken(counters, untouched), {**named, **after}], COUNTER)
    return taken(every, order_of(every["key"], every["card"])), gaps, unfinished


_NEW = {"highest": -1, "window": 0, "next": 0, "inside": -1}


def _before(counters: Columns, old: Numbers) -> Columns:
    before: Columns = {}
    for name, nothing in _NEW.items():
        before[name] = np.full(len(old), nothing, dtype=COUNTER[name])
        before[name][old >= 0] = counters[name][old[old >= 0]]
    return before


def _after(before: Columns, segment: Numbers, sequence: Numbers, settled: Flags, used: Flags) -> Columns:
    highest = before["highest"].astype(np.int64)
    np.maximum.at(highest, segment[settled], sequence[settled])
    following = before["next"].astype(np.int64)
    np.maximum.at(following, segment[used], sequence[used] + 1)
    risen = highest - before["highest"]
    window = before["window"].view(np.uint64)
    window = np.where(risen < WIDTH, window << np.minimum(risen, WIDTH - 1).astype(np.uint64), np.uint64(0))
    late = highest[segment[settled]] - sequence[settled]
    near = late < WIDTH
    np.bitwise_or.at(window, segment[settled][near], np.uint64(1) << late[near].astype(np.uint64))
    return {
        "highest": highest.astype(COUNTER["highest"]),
        "window": window.view(np.int64),
        "next": following.astype(COUNTER["next"]),
    }


def _inside(before: Columns, after: Columns, segment: Numbers, sequence: Numbers, entry: Flags) -> NDArray[Any]:
    """The entry that nothing has followed."""
    inside = np.where(before["next"] == after["next"], before["inside"], -1)
    last = entry & (sequence == after["next"][segment] - 1)
    inside[segment[last]] = sequence[last]
    return inside.astype(COUNTER["inside"])


def _unfinished(
    before: Columns, named: Columns, segment: Numbers, sequence: Numbers, used: Flags, event: NDArray[Any]
) -> list[Unfinished]:
    """In this window or begun in the one before. What an entry is followed by may still be missing: then nothing is said."""
    segment, sequence, event = segment[used], sequence[used], event[used]
    previous = np.arange(len(segment)) - 1
    same = (previous >= 0) & (segment[previous] == segment)
    entered = np.where(same & (event[previous] == Event.ENTRY), sequence[previous], -1)
    entered = np.where(same, entered, before["inside"][segment])
    rows = np.flatnonzero((entered >= 0) & (sequence == entered + 1) & (event != Event.EXIT))
    purse = (named["key"] >> (COUNTER_SHIFT + 1)) & 0xFF
    return [
        Unfinished(named["card"][segment[row]].tobytes(), int(purse[segment[row]]), int(entered[row]))
        for row in rows.tolist()
    ]


def _gaps(before: Columns, after: Columns, named: Columns, segment: Numbers, sequence: Numbers) -> list[Gap]:
    """Only of taps: a load that was not executed has the next one's number."""
    expected = before["next"].astype(np.int64)
    end = after["next"].astype(np.int64)
    tap = (named["key"] >> COUNTER_SHIFT) & 1 == 0
    inside = (sequence >= expected[segment]) & (sequence < end[segment]) & tap[segment]
    segment, sequence = segment[inside], sequence[inside]
    first = np.ones(len(segment), dtype=np.bool_)
    first[1:] = segment[1:] != segment[:-1]
    due = np.where(first, expected[segment], np.concatenate(([0], sequence[:-1] + 1)))
    missing = np.flatnonzero(sequence > due)
    purse = (named["key"] >> (COUNTER_SHIFT + 1)) & 0xFF
    return [
        Gap(named["card"][segment[row]].tobytes(), int(purse[segment[row]]), int(due[row]), int(sequence[row]) - 1)
        for row in missing.tolist()
    ]
