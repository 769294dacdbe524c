"""T+n by the business calendar: Chinese holidays and the workdays that make up for them."""

from __future__ import annotations

import json
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from clearing.reconciliation.paying import execution_day
from rulebook.calendar import calendar_named

CHINA = calendar_named("china")
VECTORS = json.loads((Path(__file__).parents[3] / "data" / "calendar" / "settlement_date_vectors.json").read_text())


@pytest.mark.parametrize("vector", VECTORS["settlement_vectors"], ids=lambda vector: vector["trade_date"])
@pytest.mark.parametrize(("terms", "days"), [("T+1", 1), ("T+2", 2), ("T+7_workdays", 7)])
def test_published_settlement_dates(vector: dict[str, Any], terms: str, days: int) -> None:
    settlement_date = CHINA.working_days_after(date.fromisoformat(vector["trade_date"]), days)
    assert settlement_date == date.fromisoformat(vector[terms])
    assert execution_day(settlement_date, date.fromisoformat(vector["trade_date"]), CHINA) == settlement_date


@pytest.mark.parametrize(
    ("today", "expected"),
    [
        ("2026-09-15", "2026-09-16"),
        ("2026-09-16", "2026-09-16"),
        ("2026-09-17", "2026-09-17"),
        ("2026-09-30", "2026-09-30"),
        ("2026-10-01", "2026-10-08"),
        ("2026-10-10", "2026-10-10"),  # a Saturday that makes up for the holiday
    ],
)
def test_a_payment_after_its_settlement_date_goes_on_the_next_working_day(today: str, expected: str) -> None:
    day = execution_day(date(2026, 9, 16), date.fromisoformat(today), CHINA)
    assert day == date.fromisoformat(expected)
