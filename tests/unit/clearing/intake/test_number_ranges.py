"""What has come and what is missing."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clearing.intake.rules import merged, missing, of_numbers


@pytest.mark.parametrize(
    ("came", "gaps"),
    [
        ([], ()),
        ([(1, 5)], ()),
        ([(3, 5)], ((1, 2),)),
        ([(1, 2), (4, 4), (8, 9)], ((3, 3), (5, 7))),
        ([(1, 5), (2, 3), (6, 6)], ()),
    ],
)
def test_gaps_run_up_to_the_highest_number_that_came(
    came: list[tuple[int, int]], gaps: tuple[tuple[int, int], ...]
) -> None:
    assert missing(came) == gaps


@given(st.sets(st.integers(1, 60)))
def test_ranges_and_gaps_are_all_numbers_up_to_the_highest(numbers: set[int]) -> None:
    ranges = of_numbers(numbers)
    there = {n for first, last in ranges for n in range(first, last + 1)}
    absent = {n for first, last in missing(ranges) for n in range(first, last + 1)}
    assert there == numbers
    assert there | absent == set(range(1, max(numbers, default=0) + 1))
    assert merged(reversed(ranges)) == ranges
