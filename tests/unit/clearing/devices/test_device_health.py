"""What is wrong with a device, by the table of limits: at the limit it is well, one step beyond it is not."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from clearing.devices.health import (
    LIMITS,
    SAM_WORDS,
    STILL_BOUND,
    WORDS,
    Health,
    Known,
    Report,
    SamStanding,
    counted,
    findings,
    sam_standing,
    sam_warning,
    unsent,
)
from clearing.devices.life import DeviceState
from clearing.devices.releases import Release
from rulebook.deny_list import SPREADING
from rulebook.messages.devices import DeviceHealth, DeviceKind
from rulebook.messages.facts import SamFact, SamState

NOW = datetime(2026, 9, 15, 12, tzinfo=UTC)
PUBLISHED = [Release(1, bytes(32), None), Release(2, bytes(32), NOW - timedelta(hours=1))]
WELL = DeviceHealth(
    software_version="1",
    tariff_version=2,
    list_version=7,
    parameter_key=1,
    clock_drift_ms=0,
    journal_last=10,
    journal_uploaded=10,
    free_bytes=10**9,
)


def known(kind: DeviceKind = DeviceKind.GATE, state: DeviceState = DeviceState.ENROLLED, **said: Any) -> Known:
    report = Report(NOW, WELL.model_copy(update=said), told_at=NOW, told_list=7)
    return Known(kind, state, SamStanding.BOUND, NOW, report)


@pytest.mark.parametrize("kind", DeviceKind)
def test_at_every_limit_it_is_well_and_beyond_it_is_not(kind: DeviceKind) -> None:
    limits = LIMITS[kind]
    drift, unsent_limit = limits.clock_drift // timedelta(milliseconds=1), limits.unsent
    step = timedelta(microseconds=1)
    table: list[tuple[Known, Known, Health]] = [
        (known(kind, clock_drift_ms=drift), known(kind, clock_drift_ms=drift + 1), Health.WRONG_CLOCK),
        (known(kind, clock_drift_ms=-drift), known(kind, clock_drift_ms=-drift - 1), Health.WRONG_CLOCK),
        (
            known(kind, journal_last=unsent_limit, journal_uploaded=0),
            known(kind, journal_last=unsent_limit + 1, journal_uploaded=0),
            Health.LATE,
        ),
        (known(kind, free_bytes=limits.free_bytes), known(kind, free_bytes=limits.free_bytes - 1), Health.LITTLE_SPACE),
        (known(kind), known(kind, list_version=6), Health.OLD_LISTS),
        (known(kind), known(kind, tariff_version=1), Health.OLD_LISTS),
        (known(kind), known(kind, refusal="older"), Health.OLD_LISTS),
        (
            replace(known(kind), last_contact=NOW - limits.late_after),
            replace(known(kind), last_contact=NOW - limits.late_after - step),
            Health.LATE,
        ),
    ]
    for well, not_well, finding in table:
        assert findings(well, PUBLISHED, NOW) == (Health.OK,)
        assert findings(not_well, PUBLISHED, NOW) == (finding,)


@pytest.mark.parametrize("kind", DeviceKind)
def test_silence_is_called_so_no_later_than_the_device_stops_taking_cards(kind: DeviceKind) -> None:
    limits = LIMITS[kind]
    assert limits.late_after < limits.silent_after <= SPREADING[kind].list_limit
    silent = replace(known(kind), last_contact=NOW - limits.silent_after - timedelta(seconds=1))
    assert findings(silent, PUBLISHED, NOW) == (Health.SILENT,)
    assert findings(replace(silent, last_contact=NOW - limits.silent_after), PUBLISHED, NOW) == (Health.LATE,)


@pytest.mark.parametrize("kind", DeviceKind)
def test_a_device_that_talks_and_does_not_ask_works_by_old_lists(kind: DeviceKind) -> None:
    time = SPREADING[kind].time
    report = Report(NOW, WELL, told_at=NOW - time, told_list=7)
    assert findings(replace(known(kind), report=report), PUBLISHED, NOW) == (Health.OK,)
    report = replace(report, told_at=NOW - time - timedelta(microseconds=1))
    assert findings(replace(known(kind), report=report), PUBLISHED, NOW) == (Health.OLD_LISTS,)


def test_what_came_after_its_last_word_is_not_old_of_a_device_that_rests() -> None:
    """A bus in its depot at night is not at fault for the tariff that begins then, nor for the cards reported since."""
    resting = Report(
        NOW - timedelta(hours=2), WELL.model_copy(update={"tariff_version": 1}), NOW - timedelta(hours=2), 7
    )
    assert findings(replace(known(), report=resting, last_contact=resting.at), PUBLISHED, NOW) == (Health.OK,)


def test_the_gravest_comes_first_and_nothing_is_left_out() -> None:
    worst = known(clock_drift_ms=10**7, list_version=0, free_bytes=0, journal_last=10**6, journal_uploaded=0)
    worst = replace(worst, sam=SamStanding.LOST, last_contact=None)
    assert findings(worst, PUBLISHED, NOW) == (
        Health.BLOCKED,
        Health.WRONG_CLOCK,
        Health.SILENT,
        Health.OLD_LISTS,
        Health.LITTLE_SPACE,
        Health.LATE,
    )


@pytest.mark.parametrize(
    ("state", "health"),
    [
        (DeviceState.INVITED, Health.AWAITED),
        (DeviceState.RETURNING, Health.AWAITED),
        (DeviceState.LOST, Health.LOST),
    ],
)
def test_of_a_device_that_is_not_at_work_only_that_is_said(state: DeviceState, health: Health) -> None:
    assert findings(known(state=state, clock_drift_ms=10**7), PUBLISHED, NOW) == (health,)


def test_a_device_that_has_said_nothing_yet_is_well_while_its_enrolment_is_fresh() -> None:
    quiet = replace(known(), report=None)
    assert findings(quiet, PUBLISHED, NOW) == (Health.OK,)
    assert unsent(quiet) == 0


@pytest.mark.parametrize(
    ("change", "standing"),
    [
        ({}, SamStanding.BOUND),
        ({"device": "GATE-2"}, SamStanding.ELSEWHERE),
        ({"state": SamState.PERSONALISED, "device": None}, SamStanding.UNBOUND),
        ({"state": SamState.LOST}, SamStanding.LOST),
    ],
)
def test_the_psam_as_issuing_tells_it(change: dict[str, Any], standing: SamStanding) -> None:
    fact = SamFact(
        sam_serial=bytes(10),
        terminal_number=bytes(6),
        issuer=bytes(8),
        key_version=1,
        device="GATE-1",
        operator="metro",
        state=SamState.BOUND,
    )
    assert sam_standing("GATE-1", fact.model_copy(update=change)) is standing
    assert sam_standing("GATE-1", None) is SamStanding.UNKNOWN


@pytest.mark.parametrize("sam", SamStanding)
def test_a_psam_that_is_away_with_its_device_is_warned_of(sam: SamStanding) -> None:
    for state in (DeviceState.LOST, DeviceState.RETURNING, DeviceState.DECOMMISSIONED):
        assert sam_warning(state, sam) == (STILL_BOUND if sam is SamStanding.BOUND else None)
    assert sam_warning(DeviceState.ENROLLED, sam) == (None if sam is SamStanding.BOUND else SAM_WORDS[sam])


def test_devices_are_counted_by_operator_and_line() -> None:
    fleet = [
        ("metro", "1", Health.OK),
        ("bus-a", "B9", Health.LATE),
        ("metro", "1", Health.OK),
        ("bus-a", "", Health.OK),
    ]
    assert counted(fleet) == {
        ("bus-a", ""): Counter({Health.OK: 1}),
        ("bus-a", "B9"): Counter({Health.LATE: 1}),
        ("metro", "1"): Counter({Health.OK: 2}),
    }
    assert list(counted(fleet)) == sorted(counted(fleet))


def test_every_state_has_its_words_and_every_kind_its_limits() -> None:
    assert set(WORDS) == set(Health)
    assert set(SAM_WORDS) == set(SamStanding)
    assert set(LIMITS) == set(DeviceKind)
