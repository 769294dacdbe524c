"""A load whose card loses power at any byte of what it writes, PIN try included: the next load settles it with the host, and
no fen is on the card that is not posted."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from rulebook.messages.loads import LoadState
from rulebook.money import Amount
from rulebook.record import Outcome
from terminals.topup import Loaded, LoadUnknown, NotLoaded, Reason

NOW = datetime(2026, 9, 15, 2, tzinfo=UTC)
AMOUNT, NEXT, PIN = Amount(3000), Amount(500), "123456"


@pytest.mark.parametrize("spoil", [False, True], ids=["clean", "spoilt cell"])
@pytest.mark.parametrize("stride", [11, pytest.param(1, marks=pytest.mark.long)])
def test_a_torn_load_is_finished_or_shown_not_to_have_happened(
    new_city: Callable[[Path], Any],
    tmp_path: Path,
    stride: int,
    spoil: bool,
    record_property: Callable[[str, object], None],
) -> None:
    seen, first = [], None
    while not isinstance(first, Loaded):
        cut = len(seen) * stride
        (folder := tmp_path / str(cut)).mkdir()
        city = new_city(folder)
        journal, memory = city.journal(), city.card.card._memory
        memory.cut_after(cut, spoil=spoil)
        first = city.desk(journal=journal).load(city.card, AMOUNT, PIN, NOW)
        memory.restore_power()
        city.card.reset()
        again = city.desk(journal=journal).load(city.card, NEXT, PIN, NOW)
        assert isinstance(again, Loaded)
        assert again.balance.minor - NEXT.minor in (0, AMOUNT.minor)
        assert city.balance == city.host.total(LoadState.POSTED) == again.balance.minor
        assert city.host.total(LoadState.RESERVED) == 0
        assert journal.pending_intents() == ()
        ends = [r.outcome for r in journal.records(1, journal.last_sequence) if r.refers_to == 1]
        seen.append((type(first), again.balance.minor != NEXT.minor, ends[-1]))
        journal.close()
    record_property("cuts", len(seen) - 1)
    assert set(seen) == {
        (NotLoaded, False, Outcome.DONE),  # torn over the PIN: the first intent is the second load's
        (LoadUnknown, False, Outcome.VOID),
        (LoadUnknown, True, Outcome.DONE),
        (Loaded, True, Outcome.DONE),
    }


def test_a_card_torn_over_the_pin_is_no_load(new_city: Callable[[Path], Any], tmp_path: Path) -> None:
    city = new_city(tmp_path)
    city.card.card._memory.cut_after(0)
    result = city.desk().load(city.card, AMOUNT, PIN, NOW)
    assert result == NotLoaded(reason=Reason.CARD_GONE)
