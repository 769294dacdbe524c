"""Which numbers of a sequence have come, and which are missing. Ranges are (first, last), both included."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import TypeAlias

Range: TypeAlias = tuple[int, int]


def merged(ranges: Iterable[Range]) -> tuple[Range, ...]:
    """The same numbers as disjoint ranges in rising order, touching ones joined."""
    result: list[Range] = []
    for first, last in sorted(ranges):
        if result and first <= result[-1][1] + 1:
            result[-1] = (result[-1][0], max(last, result[-1][1]))
        else:
            result.append((first, last))
    return tuple(result)


def missing(ranges: Iterable[Range], *, start: int = 1) -> tuple[Range, ...]:
    """The gaps from ``start`` up to the highest number that has come."""
    gaps: list[Range] = []
    expected = start
    for first, last in merged(ranges):
        if first > expected:
            gaps.append((expected, first - 1))
        expected = max(expected, last + 1)
    return tuple(gaps)


def of_numbers(numbers: Iterable[int]) -> tuple[Range, ...]:
    return merged((number, number) for number in numbers)


def without(ranges: Iterable[Range], taken: Iterable[Range]) -> tuple[Range, ...]:
    """The numbers of ``ranges`` that are not in ``taken``."""
    away = merged(taken)
    return tuple(part for one in merged(ranges) for part in _parts(one, away))


def _parts(one: Range, away: Sequence[Range]) -> Iterator[Range]:
    first, last = one
    for start, end in away:
        if end < first:
            continue
        if start > last:
            break
        if start > first:
            yield first, start - 1
        first = end + 1
    if first <= last:
        yield first, last
