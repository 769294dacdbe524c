"""The life of a device is its table, and nothing else happens to it."""

from __future__ import annotations

import pytest

from clearing.devices.life import (
    LIFE,
    TWO_PERSONS,
    DeviceEvent,
    DeviceState,
    possible,
)

# By hand, from the words: what may happen to a device, and what it is then.
WORDS = """
invited        invite       invited
invited        enrol        enrolled
invited        decommission decommissioned
enrolled       lose         lost
enrolled       decommission decommissioned
lost           return       returning
lost           decommission decommissioned
returning      invite       returning
returning      enrol        enrolled
returning      lose         lost
returning      decommission decommissioned
"""
ALLOWED = {
    (DeviceState(a), DeviceEvent(b)): DeviceState(c) for a, b, c in (line.split() for line in WORDS.split("\n")[1:-1])
}


@pytest.mark.parametrize("state", DeviceState)
@pytest.mark.parametrize("event", DeviceEvent)
def test_every_pair_of_state_and_event(state: DeviceState, event: DeviceEvent) -> None:
    assert LIFE.get((state, event)) is ALLOWED.get((state, event))
    assert (event in possible(state)) is ((state, event) in ALLOWED)


def test_the_end_is_the_end() -> None:
    assert possible(DeviceState.DECOMMISSIONED) == ()


def test_what_cannot_be_taken_back_by_one_needs_two() -> None:
    assert {DeviceEvent.RETURN, DeviceEvent.DECOMMISSION} == TWO_PERSONS
