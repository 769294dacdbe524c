"""Working days against vectors that two independent sources agreed on day by day (tests/data/calendar)."""

import json
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest

from rulebook.calendar import BUSINESS_ZONE, DayNotCovered, calendar_named

VECTORS = json.loads((Path(__file__).parents[3] / "data/calendar/settlement_date_vectors.json").read_text("utf-8"))
CHINA = calendar_named("china")


@pytest.mark.parametrize("vector", VECTORS["settlement_vectors"], ids=lambda vector: vector["trade_date"])
def test_settlement_dates_around_long_holidays(vector: dict[str, str | bool]) -> None:
    day = date.fromisoformat(str(vector["trade_date"]))
    assert CHINA.is_working_day(day) is vector["trade_day_is_workday"]
    for field, count in (("T+1", 1), ("T+2", 2), ("T+7_workdays", 7)):
        assert CHINA.working_days_after(day, count) == date.fromisoformat(str(vector[field])), field


@pytest.mark.parametrize(("year", "days"), VECTORS["days_off_and_workdays"].items(), ids=str)
def test_each_year_has_as_many_days_off_as_published(year: str, days: dict[str, int]) -> None:
    first = date(int(year), 1, 1)
    all_days = [first + timedelta(days=n) for n in range((date(int(year) + 1, 1, 1) - first).days)]
    worked = sum(CHINA.is_working_day(day) for day in all_days)
    assert (len(all_days) - worked, worked) == (days["off"], days["work"])


@pytest.mark.parametrize("day", [date(2006, 12, 31), date(2027, 1, 1)], ids=str)
def test_a_year_without_a_notice_is_not_guessed(day: date) -> None:
    with pytest.raises(DayNotCovered, match="2007-01-01 to 2026-12-31"):
        CHINA.is_working_day(day)


@pytest.mark.parametrize(
    ("day", "count", "deadline"),
    [
        (date(2026, 9, 15), 3, date(2026, 9, 18)),
        (date(2026, 9, 30), 1, date(2026, 10, 8)),
        (date(2026, 12, 30), 2, date(2027, 1, 1)),
        (date(2026, 12, 31), 2, date(2027, 1, 4)),
        (date(2027, 5, 1), 1, date(2027, 5, 3)),
    ],
    ids=str,
)
def test_a_deadline_is_counted_on_after_the_last_notice(day: date, count: int, deadline: date) -> None:
    assert CHINA.deadline_after(day, count) == deadline


def test_the_day_of_the_demonstration_is_worked() -> None:
    assert CHINA.is_working_day(date(2026, 9, 15))


@pytest.mark.parametrize(
    ("at", "day"),
    [
        (datetime(2026, 9, 15, 3, 59, 59, tzinfo=BUSINESS_ZONE), date(2026, 9, 14)),
        (datetime(2026, 9, 15, 4, 0, tzinfo=BUSINESS_ZONE), date(2026, 9, 15)),
        (datetime(2026, 9, 15, 23, 59, tzinfo=BUSINESS_ZONE), date(2026, 9, 15)),
        (datetime(2026, 9, 14, 19, 59, tzinfo=UTC), date(2026, 9, 14)),
        (datetime(2026, 9, 14, 20, 0, tzinfo=UTC), date(2026, 9, 15)),
    ],
    ids=str,
)
def test_the_business_day_ends_at_the_cut_off(at: datetime, day: date) -> None:
    assert CHINA.business_day(at) == day


def test_a_moment_without_time_zone_is_refused() -> None:
    with pytest.raises(ValueError, match="time zone"):
        CHINA.business_day(datetime(2026, 9, 15, 12))  # noqa: DTZ001 — that is the fault


def test_an_unknown_calendar_names_those_there_are() -> None:
    with pytest.raises(LookupError, match="there is china"):
        calendar_named("atlantis")


def test_the_nth_day_after_starts_with_one() -> None:
    with pytest.raises(ValueError, match="at least 1"):
        CHINA.working_days_after(date(2026, 9, 15), 0)
