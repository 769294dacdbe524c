"""From when on a tariff is in force, and what may be published after what."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clearing.devices.releases import NOTICE, NoTariff, Release, coming, faults_of_release, in_force
from rulebook.deny_list import SPREADING

NOON = datetime(2026, 9, 15, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)
FIRST = Release(1, bytes(32), None)
THIRD, FOURTH = Release(3, bytes(32), NOON + 5 * HOUR), Release(4, bytes(32), NOON + 9 * HOUR)
ALL = [FIRST, THIRD, FOURTH]


@pytest.mark.parametrize(
    ("hours", "now", "then"), [(0, 1, 3), (4.9, 1, 3), (5, 3, 4), (8.9, 3, 4), (9, 4, None), (9000, 4, None)]
)
def test_what_is_in_force_and_what_comes(hours: float, now: int, then: int | None) -> None:
    at = NOON + hours * HOUR
    assert in_force(ALL, at).version == now
    following = coming(ALL, at)
    assert (None if following is None else following.version) == then


def test_before_anything_is_published_nothing_is_in_force() -> None:
    with pytest.raises(NoTariff):
        in_force([THIRD], NOON)


@pytest.mark.parametrize(
    ("version", "hours", "faults"),
    [
        (5, 10, 0),
        (9, 10, 0),  # numbers may be left out
        (4, 10, 1),
        (5, 9, 1),
        (5, 0.5, 2),
        (2, 0, 3),
    ],
)
def test_every_fault_of_a_release_is_named(version: int, hours: float, faults: int) -> None:
    assert len(faults_of_release(ALL, version, NOON + hours * HOUR, NOON)) == faults


def test_every_terminal_hears_before_a_tariff_begins() -> None:
    assert all(spreading.time <= NOTICE for spreading in SPREADING.values())
    assert faults_of_release([FIRST], 2, NOON + NOTICE, NOON) == []
    assert len(faults_of_release([FIRST], 2, NOON + NOTICE - timedelta(microseconds=1), NOON)) == 1


@given(st.lists(st.tuples(st.integers(1, 50), st.integers(0, 500), st.integers(0, 500)), max_size=20))
def test_whatever_is_published_in_whatever_order_the_version_in_force_never_falls(
    wishes: list[tuple[int, int, int]],
) -> None:
    """This is why a device may refuse every older tariff."""
    published = [FIRST]
    for version, hours, now in sorted(wishes, key=lambda wish: wish[2]):
        begin = NOON + hours * HOUR
        if not faults_of_release(published, version, begin, NOON + now * HOUR):
            published.append(Release(version, bytes(32), begin))
    versions = [in_force(published, NOON + hour * HOUR).version for hour in range(-1, 505, 2)]
    assert versions == sorted(versions)
