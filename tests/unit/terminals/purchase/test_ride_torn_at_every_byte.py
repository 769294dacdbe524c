"""A paid ride whose card loses power at any byte of what it writes: the terminal's next dialogue finds the ride paid or not
happened, and the money on the card and in the journal is the same money."""

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import pytest

from rulebook.record import Kind, Outcome
from terminals.dialogues.purchase import Ending

AGAIN = timedelta(seconds=10)
BALANCE, FARE = 5000, 100


@pytest.mark.parametrize("spoil", [False, True], ids=["clean", "spoilt cell"])
@pytest.mark.parametrize("stride", [13, pytest.param(1, marks=pytest.mark.long)])
def test_a_torn_ride_is_finished_or_shown_not_to_have_happened(
    city: Any, noon: datetime, stride: int, spoil: bool, record_property: Callable[[str, object], None]
) -> None:
    seen, cut = [], 0
    while Ending.PAID not in [first for first, _ in seen]:
        card = city.card(100 + cut)
        card.memory.cut_after(cut, spoil=spoil)
        first = city.bus().tap(card.reader, noon)
        card.memory.restore_power()
        card.reader.reset()
        again = city.bus().tap(card.reader, noon + AGAIN)
        assert again.gate_open
        seen.append((first.ending, again.ending))
        mine = [r for r in city.records() if r.serial == card.serial and r.outcome is Outcome.DONE]
        assert all(card.proves(r) for r in mine)
        paid = {r.purchase_id: r.amount_minor for r in mine if r.kind is not Kind.INTENT}
        assert BALANCE - card.balance == sum(paid.values()) == FARE * (2 if first.ending is Ending.PAID else 1)
        assert len(paid) == card.next_sequence
        cut += stride
    record_property("cuts", len(seen) - 1)
    assert city.journal.pending_intents() == ()
    assert set(seen) == {
        (Ending.UNKNOWN, Ending.PAID),
        (Ending.UNKNOWN, Ending.PAID_BEFORE),
        (Ending.PAID, Ending.PAID),
    }
