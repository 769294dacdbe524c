"""Any order of taps at two devices, torn at any step, with restarts: every fen that left a card has a story in a journal."""

import itertools
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from rulebook.record import Event, Kind, Outcome, Record

LOADED = 100_000
STATIONS = ("0101", "0115")
TAPS = st.sampled_from([Event.RIDE, Event.ENTRY, Event.EXIT])
TEARS = st.none() | st.tuples(st.integers(0, 12), st.booleans())
SETTLED = (Outcome.DONE, Outcome.VOID, Outcome.REFUSED)


class TornTaps(RuleBasedStateMachine):
    """Two devices with a journal each, two cards. ``world`` is the fixtures' city."""

    world: Any
    torn: Any
    noon: Any
    new_folder: Any
    numbers = itertools.count(1000)

    def __init__(self) -> None:
        super().__init__()
        self.devices = [self.world.elsewhere(self.new_folder()) for _ in range(2)]
        self.cards = [self.world.card(next(self.numbers), balance=LOADED) for _ in range(2)]
        self.now = self.noon

    @rule(device=st.integers(0, 1), card=st.integers(0, 1), event=TAPS, tear=TEARS, minutes=st.integers(0, 7))
    def tap(self, device: int, card: int, event: Event, tear: tuple[int, bool] | None, minutes: int) -> None:
        self.now += timedelta(minutes=minutes, seconds=1)
        reader = self.cards[card].reader
        reader.reset()
        held = reader if tear is None else self.torn(reader, *tear)
        city, station = self.devices[device], STATIONS[device]
        rules = city.rules(received_at=self.now)
        if event is Event.RIDE:
            city.bus(rules).tap(held, self.now)
        elif event is Event.ENTRY:
            city.gate(station, rules).enter(held, self.now)
        else:
            city.gate(station, rules).leave(held, self.now)

    @rule(device=st.integers(0, 1))
    def restart(self, device: int) -> None:
        self.devices[device] = self.devices[device].reopened()

    def records_of(self, card: Any) -> list[tuple[int, Record]]:
        """With the number of the device whose journal holds them."""
        return [(d, r) for d, city in enumerate(self.devices) for r in city.records() if r.serial == card.serial]

    @invariant()
    def every_debit_has_an_intent_and_its_amount_left_the_card(self) -> None:
        """One intent for each debit is proven, or those still open name what it may have been."""
        for card in self.cards:
            records, least, most = self.records_of(card), 0, 0
            ended = {(d, r.refers_to): r.outcome for d, r in records if r.refers_to and r.outcome in SETTLED}
            for sequence in range(card.next_sequence):
                intents = {
                    (d, r.journal_sequence): r.amount_minor
                    for d, r in records
                    if (r.kind, r.card_sequence) == (Kind.INTENT, sequence)
                }
                proven = [intents[i] for i in intents if ended.get(i) is Outcome.DONE]
                may_be = proven or [intents[i] for i in intents if i not in ended]
                assert len(proven) <= 1 <= len(may_be)
                least, most = least + min(may_be), most + max(may_be)
            assert least <= LOADED - card.balance <= most

    @invariant()
    def what_is_proven_was_done_and_the_rest_is_open(self) -> None:
        for card in self.cards:
            proven = {r.card_sequence for _, r in self.records_of(card) if r.outcome is Outcome.DONE}
            pending = {
                r.card_sequence
                for city in self.devices
                for r in city.journal.pending_intents()
                if r.serial == card.serial
            }
            done = set(range(card.next_sequence))
            assert proven <= done <= proven | pending

    def teardown(self) -> None:
        for city in self.devices:
            city.journal.close()


def test_money_is_conserved_whatever_is_torn(
    city: Any, noon: Any, torn: Any, tmp_path_factory: pytest.TempPathFactory
) -> None:
    TornTaps.world, TornTaps.noon, TornTaps.torn = city, noon, torn
    TornTaps.new_folder = staticmethod(lambda: tmp_path_factory.mktemp("device"))
    case = TornTaps.TestCase()
    case.settings = settings(max_examples=25, stateful_step_count=15, deadline=None)
    case.runTest()
