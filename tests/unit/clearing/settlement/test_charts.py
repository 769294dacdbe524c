"""The pictures of a window: no bar leaves its picture, nothing that happened is invisible."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clearing.settlement.charts import BAR_HEIGHT, THINNEST, WHOLE, WIDTH, net_bars, record_parts
from clearing.settlement.views import PositionView
from clearing.verification.reasons import Status


def position(net_minor: int) -> PositionView:
    none = dict.fromkeys(
        ("opening_minor", "paid_minor", "prepaid_minor", "debits_minor", "credits_minor", "closing_minor"), 0
    )
    return PositionView(book="transit", participant="bus-a", net_minor=net_minor, **none)


@given(st.lists(st.integers(min_value=-(10**15), max_value=10**15)))
def test_bars_stay_inside_and_point_to_their_side(nets: list[int]) -> None:
    bars = net_bars([position(net) for net in nets])
    assert [bar.y for bar in bars] == [row * BAR_HEIGHT for row in range(len(nets))]
    for bar in bars:
        assert 0 <= bar.x <= bar.x + bar.width <= 2 * WIDTH
        assert (bar.x + bar.width == WIDTH) if bar.net_minor < 0 else (bar.x == WIDTH)


def test_the_largest_reaches_the_edge_and_the_smaller_one_is_seen() -> None:
    largest, small, nil = net_bars([position(-1_000_000), position(100), position(0)])
    assert (largest.x, largest.width) == (0, WIDTH)
    assert 0 < small.width < WIDTH
    assert nil.width == 0


@given(st.fixed_dictionaries({status.value: st.integers(min_value=0, max_value=10**9) for status in Status}))
def test_the_parts_fill_the_bar_without_gap_or_overlap(counts: dict[str, int]) -> None:
    parts = record_parts(counts)
    assert {part.status.value: part.count for part in parts} == {k: n for k, n in counts.items() if n}
    place = 0
    for part in parts:
        assert part.x == place
        assert part.width >= THINNEST
        place += part.width
    assert place == (WHOLE if parts else 0)


@pytest.mark.parametrize(
    ("counts", "widths"),
    [
        ({}, []),
        ({"batches": 7, "transfers": 9}, []),
        ({"accepted": 3, "rejected": 1}, [750, 250]),
        ({"accepted": 1_000_000, "rejected": 1}, [994, 6]),
        ({"accepted": 1, "rejected": 1, "suspended": 1}, [334, 333, 333]),
    ],
)
def test_widths_follow_the_counts(counts: dict[str, int], widths: list[int]) -> None:
    assert [part.width for part in record_parts(counts)] == widths
