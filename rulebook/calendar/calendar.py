"""The calendar all participants have signed: which business day a moment belongs to, and which days are worked."""

from __future__ import annotations

import csv
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime, time, timedelta, timezone
from functools import cache
from importlib.resources import files

# China has one time zone and no daylight saving time since 1991: a fixed offset needs no time-zone database.
BUSINESS_ZONE = timezone(timedelta(hours=8), "Asia/Shanghai")

_SATURDAY = 5
_DAY = timedelta(days=1)


class DayNotCovered(LookupError):
    """The State Council's notice for that year is not in the calendar data yet; add it there."""


@dataclass(frozen=True, slots=True, eq=False)
class Calendar:
    """``overrides`` says of single days whether they are off (against the weekend rule); it is complete from
    ``first_day`` to ``last_day``. A moment before ``cut_off`` local time belongs to the business day before."""

    name: str
    cut_off: time
    first_day: date
    last_day: date
    overrides: Mapping[date, bool] = field(repr=False)

    def business_day(self, at: datetime) -> date:
        """The business day of a moment with a time zone."""
        if at.tzinfo is None:
            raise ValueError("a moment without a time zone has no business day; give rulebook.calendar.BUSINESS_ZONE")
        local = at.astimezone(BUSINESS_ZONE)
        return local.date() if local.time() >= self.cut_off else local.date() - _DAY

    def is_working_day(self, day: date) -> bool:
        """Raises ``DayNotCovered``."""
        if not self.first_day <= day <= self.last_day:
            raise DayNotCovered(f"{day} lies outside calendar {self.name}, {self.first_day} to {self.last_day}")
        off = self.overrides.get(day, day.weekday() >= _SATURDAY)
        return not off

    def working_days_after(self, day: date, count: int) -> date:
        """The ``count``-th working day after ``day`` (T+count; at least 1). Raises ``DayNotCovered``."""
        if count < 1:
            raise ValueError(f"count is {count}; it must be at least 1")
        while count:
            day += _DAY
            count -= self.is_working_day(day)
        return day

    def deadline_after(self, day: date, count: int) -> date:
        """As ``working_days_after``, for when somebody is to have seen to something. Where a notice is not there yet, Monday to
        Friday are counted (ours): a deadline a few days off harms nobody, a close that had to wait for the notice would."""
        while count:
            day += _DAY
            covered = self.first_day <= day <= self.last_day
            count -= self.is_working_day(day) if covered else day.weekday() < _SATURDAY
        return day


def calendar_named(name: str) -> Calendar:
    """One of the calendars in this package's data. Raises ``LookupError``."""
    settings = _settings()
    if name not in settings:
        raise LookupError(f"no calendar is named {name}; there is {', '.join(sorted(settings))}")
    return _load(name)


@cache
def _settings() -> Mapping[str, Mapping[str, str]]:
    found: dict[str, dict[str, str]] = json.loads((files(__package__) / "data" / "calendars.json").read_text("utf-8"))
    return found


@cache
def _load(name: str) -> Calendar:
    settings = _settings()[name]
    rows = csv.DictReader((files(__package__) / "data" / settings["day_overrides"]).read_text("utf-8").splitlines())
    return Calendar(
        name=name,
        cut_off=time.fromisoformat(settings["cut_off"]),
        first_day=date.fromisoformat(settings["first_day"]),
        last_day=date.fromisoformat(settings["last_day"]),
        overrides={date.fromisoformat(row["date"]): row["is_off_day"] == "1" for row in rows},
    )
