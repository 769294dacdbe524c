"""The life of a device, from its announcement to its end. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum, unique


@unique
class DeviceState(StrEnum):
    INVITED = "invited"  # announced, never enrolled
    ENROLLED = "enrolled"
    LOST = "lost"
    RETURNING = "returning"  # found again; waits to be enrolled with a new key
    DECOMMISSIONED = "decommissioned"


@unique
class DeviceEvent(StrEnum):
    INVITE = "invite"  # a new code
    ENROL = "enrol"
    LOSE = "lose"
    RETURN = "return"
    DECOMMISSION = "decommission"


LIFE: Mapping[tuple[DeviceState, DeviceEvent], DeviceState] = {
    (DeviceState.INVITED, DeviceEvent.INVITE): DeviceState.INVITED,
    (DeviceState.INVITED, DeviceEvent.ENROL): DeviceState.ENROLLED,
    (DeviceState.INVITED, DeviceEvent.DECOMMISSION): DeviceState.DECOMMISSIONED,
    (DeviceState.ENROLLED, DeviceEvent.LOSE): DeviceState.LOST,
    (DeviceState.ENROLLED, DeviceEvent.DECOMMISSION): DeviceState.DECOMMISSIONED,
    (DeviceState.LOST, DeviceEvent.RETURN): DeviceState.RETURNING,
    (DeviceState.LOST, DeviceEvent.DECOMMISSION): DeviceState.DECOMMISSIONED,
    (DeviceState.RETURNING, DeviceEvent.INVITE): DeviceState.RETURNING,
    (DeviceState.RETURNING, DeviceEvent.ENROL): DeviceState.ENROLLED,
    (DeviceState.RETURNING, DeviceEvent.LOSE): DeviceState.LOST,
    (DeviceState.RETURNING, DeviceEvent.DECOMMISSION): DeviceState.DECOMMISSIONED,
}

TWO_PERSONS = frozenset({DeviceEvent.RETURN, DeviceEvent.DECOMMISSION})
"""Events that one person proposes and another one approves."""


def possible(state: DeviceState) -> tuple[DeviceEvent, ...]:
    """What can happen to a device in ``state``, in order of the enum."""
    return tuple(event for event in DeviceEvent if (state, event) in LIFE)
