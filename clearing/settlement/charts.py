"""Net positions as bars of an SVG drawn on the server."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from clearing.settlement.views import PositionView

WIDTH = 360  # from nil to either edge, in SVG units
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
    """Lengths in proportion to the largest net of the same book, so that a large fund does not hide the buses."""
    largest: dict[str, int] = {}
    for position in positions:
        largest[position.book] = max(largest.get(position.book, 1), abs(position.net_minor))
    return [_bar(row, position, largest[position.book]) for row, position in enumerate(positions)]


def _bar(row: int, position: PositionView, largest: int) -> Bar:
    width = WIDTH * abs(position.net_minor) // largest
    x = WIDTH if position.net_minor >= 0 else WIDTH - width
    return Bar(position.book, position.participant, position.net_minor, x, width, row * BAR_HEIGHT)
