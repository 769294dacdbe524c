"""The columns say of a window what the objects say of it: every end, remark, sum, and what the next window must know."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from card_os.profile.transit import TRANSIT_PROCESS, TransitProcess
from clearing.intake.rules import of_numbers
from clearing.settlement.model import WindowInputs, WindowResult
from clearing.verification.context import KnownLoad, TransactionId
from clearing.verification.reasons import Reason, Status
from rulebook.calendar import BUSINESS_ZONE
from rulebook.record import Event, Kind, Outcome, Record, Verdict

MORNING = datetime(2026, 9, 15, 8, tzinfo=BUSINESS_ZONE)
CARDS = 4


@dataclass
class Story:
    """A random day: every step is told by a seeded generator, so that a failing one shrinks by its seed and length."""

    town: Any
    dice: random.Random
    lost: set[tuple[str, int]] = field(default_factory=set)

    def happen(self) -> None:
        self.dice.choice(_STEPS)(self)

    def tap(self, **fields: Any) -> Record:
        """An intent that may be of any device, time, class and amount."""
        device, line = self.dice.choice((("BUS-A-0001", "B101"), ("BUS-B-0001", "B201")))
        at = MORNING + timedelta(minutes=self.dice.randrange(600))
        chosen = {
            "device": device,
            "line": line,
            "at": at,
            "amount": self.dice.choice((100, 100, 100, 200, 0, 50)),
            **fields,
        }
        intent: Record = self.town.intent(self.dice.randrange(1, CARDS + 1), self.dice.randrange(6), **chosen)
        return intent

    def alone(self) -> None:
        self.tap()

    def metro(self, **fields: Any) -> Record:
        entered = TransitProcess(
            entry_time="20260915080000",
            entry_station=b"0101\x00\x00\x00\x00",
            month="2609",
            month_paid_minor=self.dice.choice((0, 12000, 40000)),
        )
        exit_ = {"event": Event.EXIT, "place": "0102", "line": "01", "amount": self.dice.choice((300, 240, 1000))}
        return self.tap(device="GATE-1", capp_before=TRANSIT_PROCESS.encode(entered), **{**exit_, **fields})

    def load(self) -> Record:
        intent = self.tap(
            device="TOPUP-01", event=Event.LOAD, transaction_type=2, amount=self.dice.choice((1000, 5000))
        )
        amount = self.dice.choice((intent.amount_minor, intent.amount_minor, 700))
        if self.dice.random() < 0.8:
            self.town.loads.setdefault(TransactionId.of(intent), KnownLoad(amount, self.dice.random() < 0.7))
        return intent


def _done(story: Story, intent: Record, **fields: Any) -> None:
    story.town.outcome(intent, **fields)


def _later(story: Story, outcome: Outcome) -> None:
    story.town.outcome(story.tap(), outcome)


def _finding(story: Story, outcome: Outcome, *, with_intent: bool) -> None:
    intent = story.tap()
    if story.dice.random() < 0.5:
        story.town.outcome(intent, story.dice.choice((Outcome.UNKNOWN, Outcome.REFUSED, Outcome.DONE)))
    story.town.finding(intent, story.dice.choice(("BUS-A-0001", "GATE-1")), outcome)
    if not with_intent:
        story.lost.add((intent.device, intent.journal_sequence))


def _again(story: Story, **fields: Any) -> None:
    rows = [row for rows in story.town.journal.values() for row in rows if row.kind is Kind.OUTCOME]
    if rows:
        outcome = story.dice.choice(rows)
        story.town.write(replace(outcome, **fields))


_STEPS: tuple[Callable[[Story], None], ...] = (
    *[lambda s: _done(s, s.tap())] * 6,
    *[lambda s: _done(s, s.metro())] * 3,
    *[lambda s: _done(s, s.load())] * 3,
    lambda s: _done(s, s.metro(event=Event.ENTRY, amount=0)),
    lambda s: _done(s, s.metro(place="9999")),
    lambda s: _done(s, s.tap(line="NOLINE")),
    lambda s: _done(s, s.tap(tariff_version=9)),
    lambda s: _done(s, s.tap(card_class=3, amount=20)),
    lambda s: _done(s, s.tap(), tac=b"\x01\x02\x03\x04"),
    lambda s: _done(s, s.tap(), mac2_verdict=Verdict.WRONG),
    lambda s: _done(s, s.tap(key_version=2)),
    lambda s: _done(s, s.tap(issuer=bytes(8))),
    lambda s: _done(s, s.tap(event=Event.EXIT)),
    lambda s: _done(s, s.tap(sam_terminal=bytes(6))),
    lambda s: _done(s, s.tap(at=MORNING - timedelta(days=s.dice.choice((1, 5, 6, 7, 8, 40))))),
    lambda s: _done(s, s.tap(at=MORNING + timedelta(days=1))),
    lambda s: _done(s, s.tap(date=b"\x20\x26\x02\x30")),
    lambda s: _done(s, s.tap(time=b"\x24\x00\x00")),
    lambda s: _done(s, s.tap(list_version=s.dice.choice((4, 5, 6)))),
    lambda s: _done(s, s.tap(), refers_to=0),
    lambda s: _done(s, s.tap(), amount_minor=77),
    lambda s: _done(s, s.tap(purse=1)),
    lambda s: s.alone(),
    lambda s: _later(s, Outcome.UNKNOWN),
    lambda s: _later(s, Outcome.REFUSED),
    lambda s: _later(s, Outcome.VOID),
    lambda s: _later(s, Outcome.NONE),
    lambda s: _finding(s, Outcome.DONE, with_intent=True),
    lambda s: _finding(s, Outcome.DONE, with_intent=False),
    lambda s: _finding(s, Outcome.VOID, with_intent=True),
    lambda s: _again(s),
    lambda s: _again(s, balance_before_minor=1),
    lambda s: _again(s, outcome=Outcome.DONE, refers_to=0),
)


def tell(town: Any, seed: int, steps: int) -> WindowInputs:
    town.journal.clear()
    town.loads.clear()
    town.deny.clear()
    town.cards = CARDS - 1  # the last one is in no register
    story = Story(town, random.Random(seed))
    town.classes = {2: "elder", 3: story.dice.choice(("elder", "soldier"))}
    town.deny_card(3, reported_at=MORNING + timedelta(minutes=story.dice.randrange(-30, 400)))
    for _ in range(steps):
        story.happen()
    came = tuple(r for r in town.records if (r.device, r.journal_sequence) not in story.lost)
    inputs: WindowInputs = town.inputs(came)
    devices = dict(inputs.context.devices)
    if story.dice.random() < 0.3:
        devices["BUS-B-0001"] = replace(devices["BUS-B-0001"], lost_at=MORNING + timedelta(hours=5))
    if story.dice.random() < 0.2:
        del devices["BUS-A-0001"]
    return replace(inputs, context=replace(inputs.context, devices=devices))


def _sums(transfers: Any) -> Counter[Any]:
    sums: Counter[Any] = Counter()
    for t in transfers:
        sums[t.book, t.business_day, t.debit, t.credit, t.purpose] += t.amount.minor
    return sums


def assert_equal(columns: Any, objects: WindowResult) -> None:
    wrong = [r for r in objects.decided if r.decision.status in (Status.REJECTED, Status.SUSPENDED)]
    assert list(columns.exceptions) == wrong
    assert +columns.counts == Counter(r.decision.status for r in objects.decided)
    assert columns.remarks == objects.remarks
    assert _sums(columns.transfers) == _sums(objects.posted)
    assert columns.held == objects.held


def _next_sequences(counters: dict[int, Any]) -> dict[tuple[bytes, bytes, int], int]:
    found = {}
    for columns in counters.values():
        for key, card, following in zip(columns["key"], columns["card"], columns["next"], strict=True):
            if not (key >> 16) & 1 and following:
                raw = card.tobytes()
                found[raw[:8], raw[8:], int(key >> 17) & 0xFF] = int(following)
    return found


_PROPERTY = settings(deadline=None, max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])


@given(seed=st.integers(0, 2**32), steps=st.integers(0, 60))
@_PROPERTY
def test_a_random_day(town: Any, columnar: Any, seed: int, steps: int) -> None:
    inputs = tell(town, seed, steps)
    objects, columns = town.settle(inputs), columnar.clear(inputs)
    assert_equal(columns, objects)
    expected = {counter: following for counter, following in objects.next_sequence.items() if following}
    assert _next_sequences(columnar.counters(columns)) == expected


@given(seed=st.integers(0, 2**32), steps=st.integers(1, 60), split=st.integers(0, 2**32))
@_PROPERTY
def test_two_windows_with_what_the_first_left(town: Any, columnar: Any, seed: int, steps: int, split: int) -> None:
    inputs = tell(town, seed, steps)
    dice = random.Random(split)
    late = {(r.device, r.journal_sequence) for r in inputs.records if dice.random() < 0.4}
    early = [r for r in inputs.records if (r.device, r.journal_sequence) not in late]
    first = replace(inputs, records=tuple(early))
    objects, columns = town.settle(first), columnar.clear(first)
    second, memory = _second(inputs, first, late, objects, columns, columnar)
    assert_equal(columnar.clear(second, memory=memory), town.settle(second))


def _second(
    inputs: WindowInputs, first: WindowInputs, late: set[Any], objects: WindowResult, columns: Any, columnar: Any
) -> tuple[WindowInputs, Any]:
    open_ = {row.decision.record for row in columns.exceptions if row.decision.status is Status.SUSPENDED}
    came: dict[str, list[int]] = {}
    for record in first.records:
        came.setdefault(record.device, []).append(record.journal_sequence)
    opening = replace(inputs.opening, journals={device: of_numbers(numbers) for device, numbers in came.items()})
    decided = {id_: minor % 200 == 0 for id_, minor in columns.held.items() if minor % 100 == 0 and id_.sequence % 2}
    context = replace(
        inputs.context, decided=decided, settled=objects.settled, held=columns.held, next_sequence=objects.next_sequence
    )
    second = replace(
        inputs,
        number=2,
        context=context,
        opening=opening,
        records=tuple(r for r in inputs.records if (r.device, r.journal_sequence) in late),
        waiting=tuple(r for r in first.records if (r.device, r.journal_sequence) in open_),
    )
    memory = columnar.memory(context, columnar.counters(columns), objects.settled)
    return second, memory


@given(seed=st.integers(0, 2**32), steps=st.integers(1, 40), order=st.randoms(use_true_random=False))
@_PROPERTY
def test_shuffled_repeated_and_split_batches_give_the_same_bytes(
    town: Any, columnar: Any, seed: int, steps: int, order: random.Random
) -> None:
    inputs = tell(town, seed, steps)
    columnar.batch = 100
    expected = columnar.clear(inputs)
    columnar.batch = order.choice((1, 2, 3, 5))
    batches = [*columnar.stretches(inputs.records), *columnar.stretches(inputs.records[::2])]
    order.shuffle(batches)
    assert columnar.clear(inputs, batches=batches) == expected


def test_every_reason_of_a_single_claim_is_met_somewhere(town: Any) -> None:
    """The stories above would say nothing of a reason that they never tell."""
    met: set[Reason] = set()
    for seed in range(40):
        met |= {row.decision.reason for row in town.settle(tell(town, seed, 60)).decided}
    assert met >= set(Reason) - {Reason.LATER_THAN_HORIZON, Reason.RELEASED, Reason.DECIDED_AGAINST}


def test_no_record_at_all(town: Any, columnar: Any) -> None:
    result = columnar.clear(town.inputs(()))
    assert not result.transfers
    assert not result.cleared


@pytest.mark.long
@given(seed=st.integers(0, 2**32), steps=st.integers(0, 400))
@settings(deadline=None, max_examples=300, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_many_random_days(town: Any, columnar: Any, seed: int, steps: int) -> None:
    inputs = tell(town, seed, steps)
    assert_equal(columnar.clear(inputs), town.settle(inputs))
