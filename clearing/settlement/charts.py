"""Pictures of a window as an SVG drawn on the server: net positions as bars, its records by how they ended."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import log10

from clearing.settlement.views import PositionView
from clearing.verification.reasons import Status

WIDTH = 250  # from nil to either edge, in SVG units
BAR_HEIGHT = 22
WHOLE = 1000  # all records together
THINNEST = 6  # a single rejected record of a million is still seen


@dataclass(frozen=True, slots=True)
class Bar:
    """A rectangle left (owes) or right (is owed) of the middle; ``x`` and ``width`` in SVG units."""

    book: str
    participant: str
    net_minor: int
    x: int
    width: int
    y: int


def net_bars(positions: Sequence[PositionView]) -> list[Bar]:
    """Lengths on a logarithmic scale, or a hospital's day would hide every bus."""
    largest = max((abs(position.net_minor) for position in positions), default=0)
    return [_bar(row, position, largest) for row, position in enumerate(positions)]


def _bar(row: int, position: PositionView, largest: int) -> Bar:
    # Only the picture is approximate; the amount beside it is exact.
    width = round(WIDTH * log10(1 + abs(position.net_minor)) / log10(1 + largest)) if largest else 0
    x = WIDTH if position.net_minor >= 0 else WIDTH - width
    return Bar(position.book, position.participant, position.net_minor, x, width, row * BAR_HEIGHT)


@dataclass(frozen=True, slots=True)
class Part:
    """The records that ended alike, as a piece of one bar ``WHOLE`` wide; in SVG units."""

    status: Status
    count: int
    x: int
    width: int


def record_parts(counts: Mapping[str, int]) -> list[Part]:
    """In order of ``Status``; what there is none of has no part. ``counts``: by status, others are passed over."""
    there = [(status, count) for status in Status if (count := counts.get(status, 0))]
    total = sum(count for _, count in there)
    widths = _widths([count * WHOLE // total for _, count in there])
    starts = [sum(widths[:place]) for place in range(len(widths))]
    return [Part(*ended, x, width) for ended, x, width in zip(there, starts, widths, strict=True)]


def _widths(shares: Sequence[int]) -> list[int]:
    """None below ``THINNEST``; the widest gives what the others take and gets what rounding leaves."""
    widths = [max(THINNEST, share) for share in shares]
    if widths:
        widths[widths.index(max(widths))] += WHOLE - sum(widths)
    return widths
