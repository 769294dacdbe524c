"""A load's life as a table."""

from __future__ import annotations

from itertools import product

import pytest

from clearing.loads.api import CONFIRMATION_EXPLANATIONS, LOAD_EXPLANATIONS
from clearing.loads.rules import Booking, Event, ImpossibleEvent, LoadKey, moment, next_state
from rulebook.messages.loads import ConfirmationRefusal, LoadRefusal, LoadState

LIFE = {
    (LoadState.RESERVED, Event.PROVED): (LoadState.POSTED, Booking.POST),
    (LoadState.RESERVED, Event.DISPROVED): (LoadState.VOIDED, Booking.VOID),
    (LoadState.VOIDED, Event.PROVED): (LoadState.POSTED, Booking.ANEW),
    (LoadState.VOIDED, Event.DISPROVED): (LoadState.VOIDED, Booking.NOTHING),
    (LoadState.POSTED, Event.PROVED): (LoadState.POSTED, Booking.NOTHING),
}


@pytest.mark.parametrize(("state", "event"), list(product(LoadState, Event)), ids=str)
def test_every_pair_of_state_and_event(state: LoadState, event: Event) -> None:
    if (state, event) in LIFE:
        assert next_state(state, event) == LIFE[state, event]
    else:
        with pytest.raises(ImpossibleEvent, match=f"{state} cannot be {event}"):
            next_state(state, event)


def test_every_refusal_is_explained() -> None:
    assert list(LOAD_EXPLANATIONS) == list(LoadRefusal)
    assert list(CONFIRMATION_EXPLANATIONS) == list(ConfirmationRefusal)


def test_the_transfer_is_named_by_card_and_counter() -> None:
    load = LoadKey(bytes.fromhex("01991000FFFFFFFF"), bytes.fromhex("03109910000000000017"), 2, 5)
    assert load.transfer_id(1) == "load:01991000ffffffff:03109910000000000017:2:5:1"


def test_the_macs_moment_is_local_time() -> None:
    assert moment(bytes.fromhex("20260915"), bytes.fromhex("235959")).isoformat() == "2026-09-15T23:59:59+08:00"
