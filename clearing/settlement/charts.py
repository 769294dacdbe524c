"""Net positions as bars of an SVG drawn on the server."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import log10

from clearing.settlement.views import PositionView

WIDTH = 250  # from nil to either edge, in SVG units
BAR_HEIGHT = 22


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
