"""Any sequence of loads at two desks, each broken anywhere or not at all: the books and the card never part for good."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from rulebook.messages.loads import LoadState
from rulebook.money import Amount
from terminals.topup import Loaded, TopUpDesk

NOW = datetime(2026, 9, 15, 2, tzinfo=UTC)
DESKS = ("TOPUP-01", "TOPUP-02")
NEVER = 99
# Journals wait for the disk at every record; what is tried here is not the disk.
MEMORY = "/dev/shm" if Path("/dev/shm").is_dir() else None


@dataclass(frozen=True)
class Visit:
    """One load, with the card pulled and the host silent at these steps; ``executed``: the broken step still took effect."""

    desk: str
    fen: int
    pulled_at: int
    silent_at: int
    executed: bool


visits = st.builds(
    Visit,
    desk=st.sampled_from(DESKS),
    fen=st.sampled_from([100, 700, 3000]),
    pulled_at=st.sampled_from([NEVER, *range(14)]),
    silent_at=st.sampled_from([NEVER, *range(5)]),
    executed=st.booleans(),
)


def visit(city: Any, visit: Visit) -> None:
    """Each desk starts anew from its journal, as after a loss of power."""
    journal = city.journal(visit.desk)
    desk: TopUpDesk = city.desk(visit.desk, journal=journal, host=city.silent(visit.silent_at, visit.executed))
    desk.load(city.pulled(visit.pulled_at, visit.executed), Amount(visit.fen), "123456", NOW)
    journal.close()


def settled(city: Any) -> None:
    """A last visit without a fault at each desk."""
    for name in DESKS:
        journal = city.journal(name)
        desk: TopUpDesk = city.desk(name, journal=journal)
        loads = city.host.loads.items()
        assert isinstance(desk.load(city.pulled(NEVER, False), Amount(1), "123456", NOW), Loaded)
        assert desk.resend().refused == ()
        # A card that loaded elsewhere since can prove its load no more; the host has had that proof from the other desk.
        posted = {(key.online_sequence, a.amount_minor) for key, attempts in loads for a in attempts if _is_posted(a)}
        assert {(intent.card_sequence, intent.amount_minor) for intent in journal.pending_intents()} <= posted
        journal.close()


def _is_posted(attempt: Any) -> bool:
    return bool(attempt.state is LoadState.POSTED)


@given(sequence=st.lists(visits, max_size=8))
def test_after_any_sequence_the_card_holds_what_the_host_has_posted(
    new_city: Callable[[Path], Any], sequence: list[Visit]
) -> None:
    with TemporaryDirectory(dir=MEMORY) as folder:
        city = new_city(Path(folder))
        for each in sequence:
            visit(city, each)
            posted, reserved = city.host.total(LoadState.POSTED), city.host.total(LoadState.RESERVED)
            assert posted <= city.balance <= posted + reserved
        settled(city)
        assert city.balance == city.host.total(LoadState.POSTED)
        assert city.host.total(LoadState.RESERVED) == 0
