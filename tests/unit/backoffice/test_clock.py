"""Whose time a request happens at."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from backoffice.clock import Clock

START = datetime(2026, 9, 15, 5, tzinfo=UTC)
LATER = START + timedelta(hours=1)


def test_a_simulated_city_begins_when_it_is_told_to() -> None:
    assert Clock(simulated=True, start=START).now() == START


def test_requests_carry_the_citys_time_on_and_never_back() -> None:
    clock = Clock(simulated=True, start=START)
    clock.advance(LATER.isoformat())
    clock.advance(START.isoformat())
    assert clock.now() == LATER


def test_a_real_city_has_the_machines_time() -> None:
    clock = Clock(simulated=False, start=START)
    clock.advance(LATER.isoformat())
    assert abs(clock.now() - datetime.now(UTC)) < timedelta(minutes=1)


def test_a_time_without_an_offset_is_refused() -> None:
    with pytest.raises(ValueError, match="needs a UTC offset"):
        Clock(simulated=True).advance("2026-09-15T05:00:00")
