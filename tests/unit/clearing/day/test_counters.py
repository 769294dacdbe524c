"""Highest counter and 64 bits say of every transaction what the whole history would."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from clearing.day.counters import COUNTER, WIDTH, Gap, advanced, seen
from clearing.day.schema import ENTRY, Columns, stacked
from clearing.intake.rules import missing, of_numbers

# Counters of two cards that share a hash, of another card, and of the first card's loads.
CARDS = (b"A" * 18, b"B" * 18, b"C" * 18, b"A" * 18)
BASES = (5 << 25, 5 << 25, 7 << 25, 5 << 25 | 1 << 16)

counters = st.integers(0, len(CARDS) - 1)
sequences = st.one_of(st.integers(0, 200), st.integers(65_400, 65_535))
# (counter, sequence) to (posted, held)
windows = st.dictionaries(st.tuples(counters, sequences), st.tuples(st.booleans(), st.booleans()), max_size=30)


def columns(ids: list[tuple[int, int]]) -> tuple[Any, Any]:
    key = np.array([BASES[counter] + sequence for counter, sequence in ids], dtype=np.int64)
    return key, np.array([CARDS[counter] for counter, _ in ids], dtype=ENTRY["card"])


def advance(before: Columns, window: dict[tuple[int, int], tuple[bool, bool]]) -> tuple[Columns, list[Gap]]:
    ends = list(window.values())
    settled = np.array([posted for posted, _ in ends], dtype=np.bool_)
    return advanced(
        before, *columns(list(window)), settled, settled | np.array([held for _, held in ends], dtype=np.bool_)
    )


@given(st.lists(windows, max_size=4), st.lists(st.tuples(counters, sequences), max_size=20))
def test_what_was_posted_is_seen(days: list[Any], asked: list[tuple[int, int]]) -> None:
    state, posted = stacked([], COUNTER), set[tuple[int, int]]()
    for day in days:
        state, _ = advance(state, day)
        posted |= {id_ for id_, (settled, _) in day.items() if settled}
    highest = {counter: max((n for c, n in posted if c == counter), default=-1) for counter in range(len(CARDS))}
    expected = [id_ in posted or highest[id_[0]] - id_[1] >= WIDTH for id_ in asked]
    assert seen(state, *columns(asked)).tolist() == expected


@given(st.lists(windows, max_size=3))
def test_gaps_are_what_nothing_names_below_the_highest_used(days: list[Any]) -> None:
    state, following = stacked([], COUNTER), dict.fromkeys(range(len(CARDS)), 0)
    for day in days:
        state, gaps = advance(state, day)
        expected = []
        for counter in range(len(CARDS) - 1):
            named = {n: posted or held for (c, n), (posted, held) in day.items() if c == counter}
            used = [n for n, is_used in named.items() if is_used and n >= following[counter]]
            below = of_numbers(n for n in named if used and n <= max(used))
            expected += [Gap(CARDS[counter], 0, *span) for span in missing(below, start=following[counter])]
            following[counter] = max([following[counter], *(n + 1 for n in used)])
        assert sorted(gaps) == sorted(expected)


@given(windows, windows)
def test_counters_do_not_depend_on_the_order_of_rows(day: Any, other: Any) -> None:
    first, _ = advance(stacked([], COUNTER), day)
    one, _ = advance(first, other)
    two, _ = advance(first, dict(reversed(list(other.items()))))
    assert all(np.array_equal(one[name], two[name]) for name in one)


@pytest.mark.parametrize("sequence", [0, 63, 64, 65_535])
def test_nothing_is_seen_before_anything_was_posted(sequence: int) -> None:
    assert not seen(stacked([], COUNTER), *columns([(0, sequence)])).any()
