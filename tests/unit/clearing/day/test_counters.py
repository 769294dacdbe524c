"""Highest counter and 64 bits say of every transaction what the whole history would."""

from __future__ import annotations

from typing import Any, TypeAlias

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from clearing.day.counters import COUNTER, WIDTH, Gap, Unfinished, advanced, seen
from clearing.day.schema import ENTRY, Columns, stacked
from clearing.intake.rules import missing, of_numbers
from rulebook.record import Event

# Counters of two cards that share a hash, of another card, and of the first card's loads.
CARDS = (b"A" * 18, b"B" * 18, b"C" * 18, b"A" * 18)
BASES = (5 << 25, 5 << 25, 7 << 25, 5 << 25 | 1 << 16)

counters = st.integers(0, len(CARDS) - 1)
sequences = st.one_of(st.integers(0, 200), st.integers(65_400, 65_535))
events = st.sampled_from([Event.RIDE, Event.ENTRY, Event.EXIT])
# (counter, sequence) to (posted, held, event)
windows = st.dictionaries(st.tuples(counters, sequences), st.tuples(st.booleans(), st.booleans(), events), max_size=30)
Window: TypeAlias = dict[tuple[int, int], tuple[bool, bool, Event]]


def columns(ids: list[tuple[int, int]]) -> tuple[Any, Any]:
    key = np.array([BASES[counter] + sequence for counter, sequence in ids], dtype=np.int64)
    return key, np.array([CARDS[counter] for counter, _ in ids], dtype=ENTRY["card"])


def advance(before: Columns, window: Window) -> tuple[Columns, list[Gap], list[Unfinished]]:
    settled, held = (np.array([end[place] for end in window.values()], dtype=np.bool_) for place in (0, 1))
    event = np.array([event for _, _, event in window.values()], dtype=np.int8)
    return advanced(before, *columns(list(window)), settled, settled | held, event)


@given(st.lists(windows, max_size=4), st.lists(st.tuples(counters, sequences), max_size=20))
def test_what_was_posted_is_seen(days: list[Any], asked: list[tuple[int, int]]) -> None:
    state, posted = stacked([], COUNTER), set[tuple[int, int]]()
    for day in days:
        state, _, _ = advance(state, day)
        posted |= {id_ for id_, (settled, _, _) in day.items() if settled}
    highest = {counter: max((n for c, n in posted if c == counter), default=-1) for counter in range(len(CARDS))}
    expected = [id_ in posted or highest[id_[0]] - id_[1] >= WIDTH for id_ in asked]
    assert seen(state, *columns(asked)).tolist() == expected


@given(st.lists(windows, max_size=3))
def test_gaps_are_what_nothing_names_below_the_highest_used(days: list[Any]) -> None:
    state, following = stacked([], COUNTER), dict.fromkeys(range(len(CARDS)), 0)
    for day in days:
        state, gaps, _ = advance(state, day)
        expected = []
        for counter in range(len(CARDS) - 1):
            named = {n: posted or held for (c, n), (posted, held, _) in day.items() if c == counter}
            used = [n for n, is_used in named.items() if is_used and n >= following[counter]]
            below = of_numbers(n for n in named if used and n <= max(used))
            expected += [Gap(CARDS[counter], 0, *span) for span in missing(below, start=following[counter])]
            following[counter] = max([following[counter], *(n + 1 for n in used)])
        assert sorted(gaps) == sorted(expected)


@given(windows)
def test_a_trip_is_unfinished_when_the_next_purchase_is_no_exit(day: Any) -> None:
    _, _, trips = advance(stacked([], COUNTER), day)
    taps = {id_: event for id_, (posted, held, event) in day.items() if posted or held}
    expected = [
        Unfinished(CARDS[counter], 0, number)
        for (counter, number), event in taps.items()
        if event is Event.ENTRY and taps.get((counter, number + 1), Event.EXIT) is not Event.EXIT
    ]
    assert sorted(t for t in trips if t.purse == 0) == sorted(expected)


@given(windows, st.sampled_from([Event.RIDE, Event.ENTRY, Event.EXIT]))
def test_a_trip_goes_on_in_the_next_window(day: Any, then: Event) -> None:
    state, _, _ = advance(stacked([], COUNTER), day | {(2, 300): (True, False, Event.ENTRY)})
    _, _, trips = advance(state, {(2, 301): (True, False, then)})
    stays = not any(c == 2 and number > 300 and (posted or held) for (c, number), (posted, held, _) in day.items())
    expected = [Unfinished(CARDS[2], 0, 300)] if stays and then is not Event.EXIT else []
    assert trips == expected


@given(windows, windows)
def test_counters_do_not_depend_on_the_order_of_rows(day: Any, other: Any) -> None:
    first, _, _ = advance(stacked([], COUNTER), day)
    one, _, trips = advance(first, other)
    two, _, same_trips = advance(first, dict(reversed(list(other.items()))))
    assert sorted(trips) == sorted(same_trips)
    assert all(np.array_equal(one[name], two[name]) for name in one)


@pytest.mark.parametrize("sequence", [0, 63, 64, 65_535])
def test_nothing_is_seen_before_anything_was_posted(sequence: int) -> None:
    assert not seen(stacked([], COUNTER), *columns([(0, sequence)])).any()
