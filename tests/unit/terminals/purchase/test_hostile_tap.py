"""Taps against a card that lies, a journal that cannot write, a PSAM that was taken out, and a clock that goes back."""

import random
import sqlite3
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from card_os.wire.dialogue import CardGone
from rulebook.record import Kind, Outcome
from terminals.dialogues.purchase import RETAP_WINDOW, Ending
from terminals.dialogues.refusals import Refusal


class Lying:
    """Some of its answers are altered, cut, prolonged or made up; the status words stay."""

    def __init__(self, inner: Any, chance: random.Random) -> None:
        self.inner, self.chance = inner, chance

    @property
    def atr(self) -> bytes:
        return bytes(self.inner.atr)

    def reset(self) -> bytes:
        return bytes(self.inner.reset())

    def transmit(self, command: bytes) -> bytes:
        answer: bytes = self.inner.transmit(command)
        if len(answer) == 2 or self.chance.random() > 0.15:
            return answer
        data, status = answer[:-2], answer[-2:]
        lies: list[Callable[[], bytes]] = [
            lambda: self.chance.randbytes(len(data)),
            lambda: self.chance.randbytes(self.chance.randrange(250)),
            lambda: data[self.chance.randrange(len(data)) :],
            lambda: b"\xff" * len(data),
        ]
        return self.chance.choice(lies)() + status


@given(seed=st.integers(0, 2**32))
def test_whatever_a_card_answers_a_tap_ends_with_a_result(tmp_path_factory: Any, new_city: Any, seed: int) -> None:
    city = new_city(tmp_path_factory.mktemp("city"))
    now = datetime.fromisoformat("2026-09-15T12:00:00+08:00")
    card, chance = city.card(), random.Random(seed)
    lying = Lying(card.reader, chance)
    taps = [city.bus().tap, city.gate("0101").enter, city.gate("0104").leave]
    for _ in range(6):
        result = chance.choice(taps)(lying, now)
        # No card puts a terminal out of order.
        assert result.ending not in (Ending.SAM_FAILED, Ending.JOURNAL_FAILED)
    city.journal.close()


def full(city: Any) -> None:
    """No page more may be taken in the file."""
    pages = city.journal._database.execute("PRAGMA page_count").fetchone()[0]
    city.journal._database.execute(f"PRAGMA max_page_count = {pages}")


def roomy(city: Any) -> None:
    city.journal._database.execute("PRAGMA max_page_count = 1000000")


def fill(city: Any, card: Any, now: datetime) -> Any:
    """Taps until the journal takes no more; the last result."""
    full(city)
    for _ in range(200):
        result = city.bus().tap(card.reader, now)
        if result.ending is not Ending.PAID:
            return result
    raise AssertionError("the journal is never full")


def test_a_full_disk_shuts_the_gate_and_takes_no_money_that_is_not_journaled(city: Any, noon: datetime) -> None:
    card = city.card(balance=20_000)
    assert fill(city, card, noon).ending is Ending.JOURNAL_FAILED
    paid = sum(r.amount_minor for r in city.records() if r.outcome is Outcome.DONE)
    open_taps = sum(r.amount_minor for r in city.journal.pending_intents())
    # Where only the outcome found no room, its durable intent stands for the debit.
    assert 20_000 - card.balance in (paid, paid + open_taps)
    before = card.balance
    assert city.bus().tap(card.reader, noon).ending is Ending.JOURNAL_FAILED
    assert card.balance == before
    roomy(city)
    assert city.bus().tap(card.reader, noon + timedelta(seconds=9)).gate_open
    assert 20_000 - card.balance == sum(r.amount_minor for r in city.records() if r.outcome is Outcome.DONE)
    assert [r.journal_sequence for r in city.records()] == list(range(1, city.journal.last_sequence + 1))


def test_a_locked_journal_refuses_the_tap_before_any_money_moves(city: Any, noon: datetime) -> None:
    card, bus = city.card(), city.bus()
    with sqlite3.connect(city.folder / "journal.db", isolation_level=None) as other:
        other.execute("BEGIN IMMEDIATE")
        result = bus.tap(card.reader, noon)
        other.execute("ROLLBACK")
    assert (result.ending, result.gate_open, card.balance) == (Ending.JOURNAL_FAILED, False, 5000)
    assert bus.tap(card.reader, noon).ending is Ending.PAID


def test_a_debit_whose_outcome_was_not_stored_is_paid_before_at_the_next_contact(city: Any, noon: datetime) -> None:
    card, bus = city.card(), city.bus()
    append = city.journal.append

    def only_intents(record: Any) -> int:
        if record.kind is not Kind.INTENT:
            city.journal._database.execute("PRAGMA query_only = 1")
        return int(append(record))

    city.journal.append = only_intents
    assert bus.tap(card.reader, noon).ending is Ending.JOURNAL_FAILED
    assert card.balance == 4900
    city.journal.append = append
    city.journal._database.execute("PRAGMA query_only = 0")
    again = bus.tap(card.reader, noon + timedelta(seconds=9))
    assert (again.ending, card.balance) == (Ending.PAID_BEFORE, 4900)


def test_a_terminal_whose_psam_was_taken_out_refuses_and_works_again_with_it(city: Any, noon: datetime) -> None:
    class Slot:
        empty = False

        def transmit(self, command: bytes) -> bytes:
            if self.empty:
                raise CardGone("no SAM")
            return bytes(city.sam.transmit(command))

        def reset(self) -> bytes:
            if self.empty:
                raise CardGone("no SAM")
            return bytes(city.sam.reset())

    slot = Slot()
    bus = type(city.bus())(city.bus().terminal, sam=slot, journal=city.journal, rules=city.rules())
    slot.empty = True
    card = city.card()
    for _ in range(2):  # the second finds the slot empty when it readies the PSAM
        assert bus.tap(card.reader, noon).ending is Ending.SAM_FAILED
    slot.empty = False
    assert bus.tap(card.reader, noon).ending is Ending.PAID
    assert card.balance == 4900


def test_a_key_version_the_psam_does_not_hold_is_the_cards_matter(city: Any, noon: datetime) -> None:
    card = city.card()

    class NewKey:
        atr = b""
        reset = staticmethod(card.reader.reset)

        @staticmethod
        def transmit(command: bytes) -> bytes:
            answer = card.reader.transmit(command)
            return answer[:9] + b"\x07" + answer[10:] if command[:2] == b"\x80\x50" else answer

    result = city.bus().tap(NewKey, noon)
    assert (result.ending, result.refusal) == (Ending.REFUSED, Refusal.ISSUER_NOT_ACCEPTED)


@pytest.mark.parametrize(
    ("later", "ending"),
    [
        (-timedelta(seconds=90), Ending.PAID_BEFORE),
        (-RETAP_WINDOW, Ending.PAID_BEFORE),
        (-RETAP_WINDOW - timedelta(seconds=1), Ending.PAID),
        (RETAP_WINDOW, Ending.PAID_BEFORE),
        (RETAP_WINDOW + timedelta(seconds=1), Ending.PAID),
    ],
    ids=str,
)
def test_a_clock_set_back_does_not_charge_a_torn_tap_twice(
    city: Any, noon: datetime, torn: Any, later: timedelta, ending: Ending
) -> None:
    card, bus = city.card(), city.bus()
    assert bus.tap(torn(card.reader, 8, True), noon).ending is Ending.UNKNOWN
    assert bus.tap(card.reader, noon + later).ending is ending


def test_a_proven_tap_opens_once_and_for_nobody_it_is_passed_back_to(city: Any, noon: datetime, torn: Any) -> None:
    card, bus = city.card(), city.bus()
    assert not bus.tap(torn(card.reader, 8, True), noon).gate_open
    assert [bus.tap(card.reader, noon + timedelta(seconds=n)).ending for n in (5, 10)] == [
        Ending.PAID_BEFORE,
        Ending.PAID,
    ]
    assert card.balance == 4800


def test_the_cards_very_last_debit_is_proven_too(city: Any, noon: datetime, torn: Any) -> None:
    """Its off-line sequence is then 65535, and INITIALIZE answers 9402."""
    card, bus = city.card(), city.bus()
    card.set_offline_sequence(0xFFFE)
    assert bus.tap(torn(card.reader, 8, True), noon).ending is Ending.UNKNOWN
    again = bus.tap(card.reader, noon + timedelta(seconds=5))
    assert (again.ending, again.finished) == (Ending.PAID_BEFORE, Outcome.DONE)
    assert bus.tap(card.reader, noon).refusal is Refusal.LOCKED


def test_torn_here_paid_there_under_the_same_sequence_opens_nowhere_for_nothing(
    city: Any, noon: datetime, torn: Any, tmp_path_factory: Any, another_sam: Any
) -> None:
    """Torn before the debit at A, paid at B with the same sequence; then met at A and at C: each charges its own ride."""
    card, a = city.card(), city
    b, c = (a.elsewhere(tmp_path_factory.mktemp(name), another_sam(n)) for n, name in enumerate("bc", 1))
    assert a.bus().tap(torn(card.reader, 8, False), noon).ending is Ending.UNKNOWN
    assert b.bus().tap(card.reader, noon).ending is Ending.PAID  # the same second, amount and sequence
    at_a = a.bus().tap(card.reader, noon + timedelta(seconds=30))
    assert (at_a.ending, at_a.finished) == (Ending.PAID, Outcome.VOID)
    assert c.bus().tap(card.reader, noon + timedelta(seconds=40)).ending is Ending.PAID
    done = [r for place in (a, b, c) for r in place.records() if r.outcome is Outcome.DONE]
    assert all(card.proves(r) for r in done)
    assert 5000 - card.balance == 300 == sum(r.amount_minor for r in done)
    assert len({r.card_sequence for r in done}) == 3
