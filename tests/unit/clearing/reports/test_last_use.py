"""The last use of each card out of the cleared records, and who has not been seen for years."""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Callable
from dataclasses import replace
from datetime import date, datetime, timedelta
from pathlib import Path
from types import ModuleType
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from clearing.reports.last_use import LAST_USE, NAMED, LastUses, dormant, last_use
from rulebook.calendar import BUSINESS_ZONE

MORNING = datetime(2026, 9, 15, 8, tzinfo=BUSINESS_ZONE)
DAY = date(2026, 9, 15)


def _beside() -> ModuleType:
    """The columnar days of ``clearing/day``; a conftest cannot be imported by name."""
    path = Path(__file__).parents[1] / "day" / "conftest.py"
    spec = importlib.util.spec_from_file_location("clearing_reports_days", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["clearing_reports_days"] = module  # dataclasses look their module up
    spec.loader.exec_module(module)
    return module


DAYS = _beside()


@pytest.fixture
def clear(town: Any, tmp_path: Path) -> Callable[..., list[str]]:
    """Names of the cleared files of a window of what is in the town's journals."""

    def cleared(number: int = 1) -> list[str]:
        result = DAYS.Columnar(tmp_path, town.vault).clear(replace(town.inputs(), number=number))
        return [written.name for written in result.cleared]

    return cleared


def _told(table: pa.Table) -> list[tuple[int, int, int]]:
    """(card, days before the 15th, fen left) of each."""
    number = (DAY - date(1970, 1, 1)).days
    rows = table.to_pylist()
    return [(row["card"][-1], number - row["business_day"], row["balance"]) for row in rows]


def test_the_last_settled_use_counts_and_what_it_left_on_the_card(town: Any, tmp_path: Path, clear: Any) -> None:
    town.tap(1, 0, at=MORNING - timedelta(days=3), balance_before_minor=5000)
    town.tap(1, 1, at=MORNING - timedelta(days=2), balance_before_minor=4900)
    town.tap(1, 2, at=MORNING - timedelta(days=2), balance_before_minor=4800)
    town.outcome(town.intent(1, 3), tac=bytes(4))  # nobody proved it
    town.tap(2, 7, at=MORNING, balance_before_minor=300)
    files = [tmp_path / "results" / name for name in clear()]
    assert sorted(_told(last_use(files))) == [(1, 2, 4700), (2, 0, 200)]
    assert last_use([]).num_rows == 0


def test_only_new_files_are_read_and_the_end_is_the_same(town: Any, tmp_path: Path, clear: Any) -> None:
    town.tap(1, 0, at=MORNING - timedelta(days=1))
    town.tap(2, 0, at=MORNING - timedelta(days=1))
    first = clear()
    uses = LastUses(tmp_path / "reports", tmp_path / "results")
    before = uses.through(first)
    town.journal.clear()
    town.tap(1, 1, at=MORNING, balance_before_minor=900)
    second = clear(2)
    whole = last_use([tmp_path / "results" / name for name in (*first, *second)])
    for name in first:
        (tmp_path / "results" / name).unlink()  # not needed any more
    after = uses.through([*first, *second])
    assert after.cast(LAST_USE).equals(whole)
    assert uses.through([*first, *second]).equals(after)
    assert sorted(_told(before)) == [(1, 1, 4900), (2, 1, 4900)]
    assert sorted(_told(after)) == [(1, 0, 800), (2, 1, 4900)]


def test_what_is_no_result_any_more_is_counted_out(town: Any, tmp_path: Path, clear: Any) -> None:
    town.tap(1, 0)
    first = clear()
    uses = LastUses(tmp_path / "reports", tmp_path / "results")
    uses.through(first)
    town.journal.clear()
    town.tap(2, 0)
    assert [card for card, _, _ in _told(uses.through(clear(2)))] == [2]


def table(*uses: tuple[int, date, int]) -> pa.Table:
    number = date(1970, 1, 1)
    rows = [
        {"card": card.to_bytes(18), "business_day": (day - number).days, "at": 0, "balance": balance}
        for card, day, balance in uses
    ]
    return pa.Table.from_pylist(rows, schema=LAST_USE)


@pytest.mark.parametrize(
    ("last_day", "as_of", "since", "cards"),
    [
        (date(2023, 9, 14), DAY, date(2023, 9, 15), 1),
        (date(2023, 9, 15), DAY, date(2023, 9, 15), 0),
        (date(2025, 2, 27), date(2028, 2, 29), date(2025, 2, 28), 1),
        (date(2026, 9, 16), DAY, date(2023, 9, 15), 0),  # used only after that day
    ],
)
def test_dormant_is_who_was_not_seen_for_three_years(last_day: date, as_of: date, since: date, cards: int) -> None:
    found = dormant(table((1, last_day, 250)), as_of)
    assert (found.since, found.cards, found.minor) == (since, cards, 250 * cards)
    assert found.used == (last_day <= as_of)


@given(ages=st.lists(st.tuples(st.integers(0, 3000), st.integers(-5, 10_000)), max_size=30))
@settings(deadline=None, max_examples=20, suppress_health_check=[HealthCheck.too_slow])
def test_counts_sums_and_names_agree(ages: list[tuple[int, int]]) -> None:
    uses = table(*((card, DAY - timedelta(days=age), minor) for card, (age, minor) in enumerate(ages)))
    found = dormant(uses, DAY)
    wanted = [(DAY - timedelta(days=age), minor) for age, minor in ages if DAY - timedelta(days=age) < found.since]
    assert (found.cards, found.minor, found.used) == (len(wanted), sum(minor for _, minor in wanted), len(ages))
    assert len(found.longest) == min(len(wanted), NAMED)
    assert [day for _, day, _ in found.longest] == sorted(day for _, day, _ in found.longest)
    assert {(day, minor) for _, day, minor in found.longest} <= set(wanted)
