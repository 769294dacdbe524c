"""A card pulled at each step, a terminal killed, a PSAM that fails: money is conserved and the next contact settles it."""

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import pytest

from card_os.wire.dialogue import CardGone
from rulebook.record import Event, Kind, Outcome, Record, Verdict
from terminals.dialogues.purchase import Ending
from terminals.dialogues.refusals import Refusal

BUS_STEPS = 9  # commands to the card in one bus tap: SELECT, 15, 17, 1A, 1E, balance, INITIALIZE, CACHE, DEBIT
GATE_STEPS = 10  # one CACHE more
AGAIN = timedelta(seconds=10)


def settled(records: tuple[Record, ...]) -> dict[tuple[bytes, bytes, int, int], int]:
    """Fen by purchase, of what is proven by a TAC: what clearing would post."""
    return {r.purchase_id: r.amount_minor for r in records if r.kind is not Kind.INTENT and r.outcome is Outcome.DONE}


def tapped(city: Any, event: Event, card: Any, now: datetime) -> Any:
    if event is Event.RIDE:
        return city.bus().tap(card, now)
    return city.gate("0101").enter(card, now) if event is Event.ENTRY else city.gate("0115").leave(card, now)


def ready(city: Any, event: Event, now: datetime) -> Any:
    """A card that can do ``event`` next."""
    card = city.card()
    if event is Event.EXIT:
        assert city.gate("0101").enter(card.reader, now - timedelta(hours=1)).gate_open
    return card


@pytest.mark.parametrize(("event", "steps"), [(Event.RIDE, BUS_STEPS), (Event.ENTRY, GATE_STEPS)], ids=str)
def test_a_tap_has_the_steps_that_are_torn_below(
    city: Any, noon: datetime, torn: Any, event: Event, steps: int
) -> None:
    whole = torn(city.card().reader)
    assert tapped(city, event, whole, noon).gate_open
    assert whole.count == steps


CASES = [
    pytest.param(event, step, executed, id=f"{event.name.lower()}-{step}-{'after' if executed else 'before'}")
    for event, steps in ((Event.RIDE, BUS_STEPS), (Event.ENTRY, GATE_STEPS), (Event.EXIT, GATE_STEPS))
    for step in range(steps)
    for executed in (False, True)
]
FARES = {Event.RIDE: 100, Event.ENTRY: 0, Event.EXIT: 500}


@pytest.mark.parametrize(("event", "step", "executed"), CASES)
def test_a_card_pulled_at_any_step_pays_once_in_the_end(
    city: Any, noon: datetime, torn: Any, event: Event, step: int, executed: bool
) -> None:
    card = ready(city, event, noon)
    at_debit = step == (BUS_STEPS if event is Event.RIDE else GATE_STEPS) - 1
    result = tapped(city, event, torn(card.reader, step, executed), noon)
    assert result.ending is (Ending.UNKNOWN if at_debit else Ending.CARD_GONE)
    assert not result.gate_open
    assert len(city.journal.pending_intents()) == at_debit

    card.reader.reset()
    again = tapped(city, event, card.reader, noon + AGAIN)
    assert again.ending is (Ending.PAID_BEFORE if at_debit and executed else Ending.PAID)
    assert again.gate_open
    assert again.finished is ((Outcome.DONE if executed else Outcome.VOID) if at_debit else None)
    assert city.journal.pending_intents() == ()
    assert 5000 - card.balance == FARES[event] == sum(settled(city.records()).values())
    proven = [r for r in city.records() if r.kind is not Kind.INTENT and r.outcome is Outcome.DONE]
    assert all(card.proves(r) for r in proven)


def _torn_inside(city: Any, noon: datetime, card: Any, cut: int) -> tuple[Ending, Any]:
    card.memory.cut_after(cut)
    first = city.gate("0101").enter(card.reader, noon)
    card.memory.restore_power()
    card.reader.reset()
    return first.ending, city.gate("0101").enter(card.reader, noon + AGAIN)


@pytest.mark.parametrize("stride", [9, pytest.param(1, marks=pytest.mark.long)])
def test_power_lost_inside_the_cards_memory_is_settled_too(city: Any, noon: datetime, stride: int) -> None:
    """Cut after every ``stride``-th byte that one entry writes, until it is written whole."""
    endings, number = [], 100
    while not endings or endings[-1][0] is not Ending.PAID:
        number += 1
        card = city.card(number)
        first, again = _torn_inside(city, noon, card, cut=stride * len(endings))
        endings.append((first, again.ending))
        assert again.gate_open is (first is not Ending.PAID)
        assert card.process.state == 1
        mine = [purchase for purchase in settled(city.records()) if purchase[1] == card.serial]
        assert len(mine) == card.next_sequence == 1
    assert set(endings) == {
        (Ending.UNKNOWN, Ending.PAID),
        (Ending.UNKNOWN, Ending.PAID_BEFORE),
        (Ending.PAID, Ending.REFUSED),
    }


class Killed(BaseException):
    """The process is gone: nothing after it runs."""


def killed_at(city: Any, kind: Kind) -> Callable[[Record], int]:
    append = city.journal.append

    def persist(record: Record) -> int:
        if record.kind is kind:
            raise Killed
        return int(append(record))

    return persist


@pytest.mark.parametrize(
    ("kind", "ending", "finished"),
    [(Kind.INTENT, Ending.PAID, None), (Kind.OUTCOME, Ending.PAID_BEFORE, Outcome.DONE)],
    ids=["before the intent", "between DEBIT and outcome"],
)
def test_a_terminal_killed_knows_at_its_next_start(
    city: Any, noon: datetime, monkeypatch: pytest.MonkeyPatch, kind: Kind, ending: Ending, finished: Outcome | None
) -> None:
    card = city.card()
    monkeypatch.setattr(city.journal, "append", killed_at(city, kind))
    with pytest.raises(Killed):
        city.bus().tap(card.reader, noon)
    assert card.balance == (4900 if kind is Kind.OUTCOME else 5000)
    restarted = city.reopened()
    assert len(restarted.journal.pending_intents()) == (kind is Kind.OUTCOME)
    result = restarted.bus().tap(card.reader, noon + AGAIN)
    assert (result.ending, result.finished) == (ending, finished)
    assert card.balance == 4900
    assert sum(settled(restarted.records()).values()) == 100


def test_another_ride_later_finishes_the_torn_one_and_pays_its_own(city: Any, noon: datetime, torn: Any) -> None:
    card = city.card()
    city.bus().tap(torn(card.reader, BUS_STEPS - 1, True), noon)
    result = city.bus().tap(card.reader, noon + timedelta(minutes=6))
    assert (result.ending, result.finished) == (Ending.PAID, Outcome.DONE)
    assert card.balance == 4800
    assert sorted(settled(city.records()).values()) == [100, 100]


def test_another_terminal_that_meets_the_card_reports_its_proof(
    city: Any, noon: datetime, torn: Any, tmp_path_factory: pytest.TempPathFactory
) -> None:
    card = city.card()
    city.gate("0101").enter(torn(card.reader, GATE_STEPS - 1, True), noon)
    (intent,) = city.journal.pending_intents()
    elsewhere = city.elsewhere(tmp_path_factory.mktemp("other"))
    assert elsewhere.gate("0115").enter(card.reader, noon + AGAIN).refusal is Refusal.ALREADY_INSIDE
    (finding,) = elsewhere.records()
    assert (finding.kind, finding.outcome) == (Kind.FINDING, Outcome.DONE)
    assert finding.purchase_id == intent.purchase_id
    assert (finding.amount_minor, finding.sam_terminal, finding.date, finding.time) == (
        intent.amount_minor,
        intent.sam_terminal,
        intent.date,
        intent.time,
    )
    assert card.proves(_with_tac(intent, finding))


def _with_tac(intent: Record, finding: Record) -> Record:
    """As clearing joins them."""
    values = {name: getattr(intent, name) for name in intent.__dataclass_fields__}
    return Record(**(values | {"tac": finding.tac}))


def test_another_terminals_purchase_under_the_same_sequence_is_not_taken_for_ours(
    city: Any, noon: datetime, torn: Any, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """Torn before DEBIT here, paid elsewhere: the sequence went on, but not with our purchase."""
    card = city.card()
    city.bus().tap(torn(card.reader, BUS_STEPS - 1, False), noon)
    elsewhere = city.elsewhere(tmp_path_factory.mktemp("other"))
    assert elsewhere.bus().tap(card.reader, noon + AGAIN).gate_open
    result = city.bus().tap(card.reader, noon + 2 * AGAIN)
    assert (result.ending, result.finished, card.balance) == (Ending.PAID, Outcome.VOID, 4800)
    assert city.journal.pending_intents() == ()


def test_what_the_log_no_longer_holds_stays_open(
    city: Any, noon: datetime, torn: Any, tmp_path_factory: pytest.TempPathFactory
) -> None:
    card = city.card()
    city.bus().tap(torn(card.reader, BUS_STEPS - 1, True), noon)
    elsewhere = city.elsewhere(tmp_path_factory.mktemp("other"))
    for minute in range(10):
        assert elsewhere.bus().tap(card.reader, noon + timedelta(minutes=minute)).gate_open
    assert city.bus().tap(card.reader, noon + timedelta(minutes=11)).finished is Outcome.UNKNOWN
    assert len(city.journal.pending_intents()) == 1


def test_what_the_card_can_no_longer_prove_stays_open(
    city: Any, noon: datetime, torn: Any, tmp_path_factory: pytest.TempPathFactory
) -> None:
    card = city.card()
    city.bus().tap(torn(card.reader, BUS_STEPS - 1, True), noon)
    elsewhere = city.elsewhere(tmp_path_factory.mktemp("other"))
    assert elsewhere.bus().tap(card.reader, noon + AGAIN).gate_open
    result = city.bus().tap(card.reader, noon + 2 * AGAIN)
    assert (result.ending, result.finished) == (Ending.PAID, Outcome.UNKNOWN)
    assert len(city.journal.pending_intents()) == 1


class Altered:
    """A ``Connection`` whose answers to one instruction are changed."""

    def __init__(self, inner: Any, ins: int, change: Callable[[bytes], bytes]) -> None:
        self._inner, self._ins, self._change = inner, ins, change
        self.atr = inner.atr

    def transmit(self, command: bytes) -> bytes:
        answer: bytes = self._inner.transmit(command)
        return self._change(answer) if command[1] == self._ins else answer

    def reset(self) -> bytes:
        return bytes(self._inner.reset())


def test_a_wrong_mac2_keeps_the_gate_shut_and_is_journaled(city: Any, noon: datetime) -> None:
    card = city.card()
    lying = Altered(card.reader, 0x54, lambda answer: answer[:4] + bytes([answer[4] ^ 1]) + answer[5:])
    result = city.gate().enter(lying, noon)
    assert (result.ending, result.gate_open) == (Ending.MAC2_WRONG, False)
    _, outcome = city.records()
    assert (outcome.outcome, outcome.mac2_verdict) == (Outcome.DONE, Verdict.WRONG)
    assert card.proves(outcome)


def test_a_wrong_mac1_is_refused_by_the_card_and_nothing_is_paid(city: Any, noon: datetime) -> None:
    card = city.card()
    bus = city.bus()
    bus._slot = Altered(city.sam, 0x70, lambda answer: answer[:4] + bytes([answer[4] ^ 1]) + answer[5:])
    result = bus.tap(card.reader, noon)
    assert (result.ending, card.balance) == (Ending.DEBIT_REFUSED, 5000)
    assert [r.outcome for r in city.records()] == [Outcome.NONE, Outcome.REFUSED]
    assert city.journal.pending_intents() == ()


@pytest.mark.parametrize("status", ["6581", "6F00", "9000"], ids=["memory", "unsure", "short answer"])
def test_an_answer_that_does_not_say_no_is_asked_about_again(city: Any, noon: datetime, status: str) -> None:
    card = city.card()
    result = city.bus().tap(Altered(card.reader, 0x54, lambda _: bytes.fromhex(status)), noon)
    assert result.ending is Ending.UNKNOWN
    assert city.bus().tap(card.reader, noon + AGAIN).ending is Ending.PAID_BEFORE
    assert card.balance == 4900


SAM_STEPS = 5  # open_sam; then INIT SAM FOR PURCHASE and CREDIT SAM FOR PURCHASE


@pytest.mark.parametrize("executed", [False, True], ids=["before", "after"])
@pytest.mark.parametrize(
    ("step", "balance", "verdicts"),
    [(SAM_STEPS, 5000, []), (SAM_STEPS + 1, 4900, [Verdict.NOT_ASKED, Verdict.NOT_ASKED])],
    ids=["8070", "8072"],
)
def test_a_psam_that_falls_silent_shuts_the_gate_and_is_readied_again(
    city: Any, noon: datetime, torn: Any, step: int, balance: int, verdicts: list[Verdict], executed: bool
) -> None:
    card, bus = city.card(), city.bus()
    slot = bus._slot = torn(city.sam, step - SAM_STEPS, executed)
    result = bus.tap(card.reader, noon)
    assert (result.ending, result.gate_open, card.balance) == (Ending.SAM_FAILED, False, balance)
    assert [r.mac2_verdict for r in city.records()] == verdicts
    slot.step = None
    # Where the debit was done, the rider who found the gate shut does not pay again.
    again = bus.tap(card.reader, noon + AGAIN)
    assert again.ending is (Ending.PAID_BEFORE if verdicts else Ending.PAID)
    assert 5000 - card.balance == sum(settled(city.records()).values()) == 100
    assert city.journal.pending_intents() == ()


def test_a_status_the_card_should_not_give_refuses_the_tap(city: Any, noon: datetime) -> None:
    for status, refusal in (("6985", Refusal.LOCKED), ("9401", Refusal.TOO_LITTLE_MONEY), ("6F00", Refusal.UNREADABLE)):
        card = Altered(city.card().reader, 0x50, lambda _, status=status: bytes.fromhex(status))  # type: ignore[misc]
        assert city.bus().tap(card, noon).refusal is refusal
    assert city.records() == ()


def test_nonsense_in_a_file_is_unreadable(city: Any, noon: datetime) -> None:
    card = Altered(city.card().reader, 0xB0, lambda answer: b"\xff" * (len(answer) - 2) + b"\x90\x00")
    assert city.bus().tap(card, noon).refusal is Refusal.UNREADABLE


def test_the_order_of_a_metro_exit_is_intent_debit_mac2_outcome(city: Any, noon: datetime) -> None:
    """The conversation as data: instruction bytes to the card and the PSAM, and what becomes durable when."""
    card = ready(city, Event.EXIT, noon)
    heard: list[str] = []

    class Heard:
        def __init__(self, who: str, inner: Any) -> None:
            self.who, self.inner, self.atr = who, inner, inner.atr

        def transmit(self, command: bytes) -> bytes:
            heard.append(f"{self.who} {command[:4].hex().upper()}")
            return bytes(self.inner.transmit(command))

        def reset(self) -> bytes:
            return bytes(self.inner.reset())

    gate, append = city.gate("0115"), city.journal.append
    gate._slot = Heard("sam", city.sam)
    gate._journal = type("Told", (), {})()
    gate._journal.pending_of = city.journal.pending_of
    gate._journal.append = lambda record: (heard.append(f"journal {record.kind.name}"), append(record))[1]
    assert gate.leave(Heard("card", card.reader), noon).gate_open
    assert heard == [
        "card 00A40400",
        "card 00B09500",
        "card 00B09700",
        "card 00B201D4",
        "card 00B201F4",
        "card 805C0002",
        "card 80500302",
        "sam 80700000",
        "card 80DC01D0",
        "card 80DC00F0",
        "journal INTENT",
        "card 80540100",
        "sam 80720000",
        "journal OUTCOME",
    ]


def test_a_tap_never_raises_for_a_card_that_is_not_there(city: Any, noon: datetime) -> None:
    class Nothing:
        atr = b""

        def transmit(self, command: bytes) -> bytes:
            raise CardGone("no card")

        def reset(self) -> bytes:
            raise CardGone("no card")

    assert city.bus().tap(Nothing(), noon).ending is Ending.CARD_GONE
