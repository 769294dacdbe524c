"""A quarter as CSV and as lines of an SVG; pure."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from dataclasses import dataclass

from clearing.reports.rules import DayReport, Figure, Flow, QuarterReport

WIDTH, HEIGHT = 900, 220  # SVG units
HEADER = (
    "business_day",
    *(f"{figure.replace('-', '_')}_minor" for figure in Figure),
    "required_minor",
    "surplus_minor",
    "cover_per_10000",
    *(f"{flow.replace('-', '_')}_minor" for flow in Flow),
)


def quarter_csv(report: QuarterReport) -> str:
    """A row for each day, fen."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\r\n")
    writer.writerow(HEADER)
    writer.writerows(_row(day) for day in report.days)
    return out.getvalue()


def _row(day: DayReport) -> list[object]:
    return [
        day.business_day,
        *(day.balances[figure] for figure in Figure),
        day.required_minor,
        day.surplus_minor,
        "" if day.cover is None else day.cover,
        *(day.flows[flow] for flow in Flow),
    ]


@dataclass(frozen=True, slots=True)
class Chart:
    """``points`` of polylines as SVG wants them; ``top_minor`` is at the upper edge, nil at the lower."""

    float_points: str
    required_points: str
    uncovered: tuple[int, ...]
    top_minor: int


def float_chart(days: Sequence[DayReport]) -> Chart:
    """The float against what it has to cover; ``uncovered``: the x of days on which it does not."""
    top = max((abs(minor) for day in days for minor in (day.float_minor, day.required_minor)), default=0)
    return Chart(
        _points([day.float_minor for day in days], top),
        _points([day.required_minor for day in days], top),
        tuple(_x(place, len(days)) for place, day in enumerate(days) if not day.covered),
        top,
    )


def _points(values: Sequence[int], top: int) -> str:
    # Only the picture is approximate; the amounts beneath it are exact.
    return " ".join(f"{_x(place, len(values))},{HEIGHT - _height(minor, top)}" for place, minor in enumerate(values))


def _x(place: int, count: int) -> int:
    return WIDTH * place // max(count - 1, 1)


def _height(minor: int, top: int) -> int:
    return max(minor, 0) * HEIGHT // top if top else 0
