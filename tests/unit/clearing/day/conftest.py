"""A town's window cleared in columns: its journals as files, its registers in memory."""

from __future__ import annotations

import random
import uuid
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from card_os.crypto.suites import Algorithm
from card_os.profile.transit import TRANSIT_PROCESS, TransitProcess
from clearing.day.cleared import bucket_in
from clearing.day.counters import COUNTER
from clearing.day.duckdb_engine import DuckDbEngine
from clearing.day.engine import Engine
from clearing.day.entries import day_number
from clearing.day.kept import KeptHistory, KeptRegister
from clearing.day.keys import bucket_of, keys_of
from clearing.day.model import CARDS, DayInputs, Journals, Stretch
from clearing.day.reference import ObjectInputs
from clearing.day.run import DayResult, Workshop
from clearing.day.schema import ENTRY, Columns, columns_of_table, stacked
from clearing.verification.context import Absence, KnownCard, KnownLoad, Settled, TransactionId
from rulebook.calendar import BUSINESS_ZONE
from rulebook.record import Event, Kind, Outcome, Record, Verdict


@dataclass
class Memory:
    """Register and history that a test holds in its hand."""

    known: Mapping[tuple[bytes, bytes], KnownCard]
    of_bucket: dict[int, Columns] = field(default_factory=dict)
    posted: Mapping[TransactionId, Settled] = field(default_factory=dict)

    def cards(self, bucket: int) -> pa.Table:
        rows = [
            {
                "card": issuer + serial,
                "card_key_version": card.key_version,
                "rider_class": card.rider_class,
                "valid_from": day_number(card.valid_from),
                "valid_to": day_number(card.valid_to),
            }
            for (issuer, serial), card in sorted(self.known.items())
            if bucket_of_card(issuer + serial) == bucket
        ]
        return pa.Table.from_pylist(rows, schema=CARDS)

    def counters(self, bucket: int) -> Columns:
        return self.of_bucket.get(bucket, stacked([], COUNTER))

    def settled(self, ids: Iterable[TransactionId]) -> dict[TransactionId, Settled]:
        return {id_: self.posted[id_] for id_ in ids if id_ in self.posted}


def bucket_of_card(card: bytes) -> int:
    nothing = np.zeros(1, dtype=np.int64)
    keys = keys_of(np.frombuffer(card, ENTRY["card"]), nothing, np.zeros(1, dtype=np.bool_), nothing)
    return int(bucket_of(keys)[0])


@dataclass
class Columnar:
    """``clear`` gives a window's inputs, as the object way takes them, to the columns."""

    folder: Path
    vault: Any
    batch: int = 4
    engine: Engine | None = None
    stages: str = ""

    def clear(
        self, inputs: ObjectInputs, *, memory: Memory | Kept | None = None, batches: Iterable[Any] | None = None
    ) -> DayResult:
        known = memory or Memory(inputs.context.cards, posted=inputs.context.settled)
        day = DayInputs(
            number=inputs.number,
            business_day=inputs.context.business_day,
            policy=inputs.context.policy,
            journals=tuple(batches) if batches is not None else self.stretches(inputs.records),
            waiting=self.stretches(inputs.waiting),
            devices=inputs.context.devices,
            sams=inputs.context.sams,
            deny=inputs.context.deny,
            tariffs=inputs.context.tariffs,
            register=known,
            history=known,
            covered=inputs.covered,
            loads=inputs.context.loads,
            held=inputs.context.held,
            decided=inputs.context.decided,
        )
        return self.workshop(self.stages or uuid.uuid4().hex).clear(day)

    def workshop(self, name: str) -> Workshop:
        engine = self.engine or DuckDbEngine(spill=self.folder / "spill")
        return Workshop(self.folder / "results", self.folder / name, engine, self.vault)

    def stretches(self, records: Iterable[Record]) -> tuple[Stretch, ...]:
        """Some records to a file, as long as a journal goes on without a gap."""
        found: list[list[Record]] = []
        for record in sorted({(r.device, r.journal_sequence): r for r in records}.values(), key=_id):
            last = found[-1][-1] if found else None
            goes_on = last is not None and _id(last) == (record.device, record.journal_sequence - 1)
            if goes_on and len(found[-1]) < self.batch:
                found[-1].append(record)
            else:
                found.append([record])
        return tuple(self.stretch(part) for part in found)

    def stretch(self, records: list[Record]) -> Stretch:
        path = self.folder / f"{uuid.uuid4().hex}.batch"
        path.write_bytes(b"head" + b"".join(record.encode() for record in records))
        return Stretch(records[0].device, records[0].journal_sequence, len(records), path, 4)

    def counters(self, result: DayResult) -> dict[int, Columns]:
        """Of each bucket that was touched."""
        tables = {written.name: pq.read_table(self.folder / "results" / written.name) for written in result.counters}
        return {int(name.split("/")[1][:2]): columns_of_table(table) for name, table in tables.items()}

    def kept(self, inputs: ObjectInputs, result: DayResult) -> Kept:
        """What the next window reads of ``result``, from its files."""
        results = self.folder / "results"
        counters = {bucket_in(written.name): results / written.name for written in result.counters}
        raw, nothing_brought = Journals(self.stretches(inputs.records)).raw, KeptRegister({}, {}).counters
        history = KeptHistory(results, [w.name for w in result.cleared], raw, nothing_brought)
        return Kept(inputs.context.cards, KeptRegister({}, counters), history)


@dataclass
class Kept:
    """The card register from memory, the rest as the window before left it."""

    known: Mapping[tuple[bytes, bytes], KnownCard]
    register: KeptRegister
    history: KeptHistory

    def cards(self, bucket: int) -> pa.Table:
        return Memory(self.known).cards(bucket)

    def counters(self, bucket: int) -> Columns:
        return self.register.counters(bucket)

    def settled(self, ids: Iterable[TransactionId]) -> dict[TransactionId, Settled]:
        return self.history.settled(ids)


def _id(record: Record) -> tuple[str, int]:
    return (record.device, record.journal_sequence)


MORNING = datetime(2026, 9, 15, 8, tzinfo=BUSINESS_ZONE)
HOLDERS = 4


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
        intent: Record = self.town.intent(self.dice.randrange(1, HOLDERS + 1), self.dice.randrange(6), **chosen)
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
    finder = story.dice.choice(("BUS-A-0001", "GATE-1"))
    elsewhere = {"line": "01"} if finder == "GATE-1" else {}
    story.town.finding(intent, finder, outcome, **elsewhere)
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
    lambda s: _done(s, s.tap(at=MORNING - timedelta(days=s.dice.choice((1, 30, 31))))),
    lambda s: _done(s, s.tap(at=MORNING + timedelta(days=1))),
    lambda s: s.tap(at=MORNING - timedelta(days=s.dice.choice((30, 31)))),
    lambda s: _done(s, s.tap(date=b"\x20\x26\x02\x30")),
    lambda s: _done(s, s.tap(time=b"\x24\x00\x00")),
    lambda s: _done(s, s.tap(algorithm=Algorithm.SM4)),
    lambda s: _done(s, s.tap(algorithm=Algorithm.SM4), tac=b"\x01\x02\x03\x04"),
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


def told(town: Any, seed: int, steps: int) -> ObjectInputs:
    town.journal.clear()
    town.loads.clear()
    town.deny.clear()
    town.cards = HOLDERS - 1  # the last one is in no register
    story = Story(town, random.Random(seed))
    town.classes = {2: "elder", 3: story.dice.choice(("elder", "soldier"))}
    town.expired = {2} if story.dice.random() < 0.2 else set()
    town.deny_card(3, reported_at=MORNING + timedelta(minutes=story.dice.randrange(-30, 400)))
    for _ in range(steps):
        story.happen()
    came = tuple(r for r in town.records if (r.device, r.journal_sequence) not in story.lost)
    inputs: ObjectInputs = town.inputs(came)
    devices = dict(inputs.context.devices)
    if story.dice.random() < 0.3:
        first = Absence(MORNING + timedelta(hours=1), MORNING + timedelta(hours=2))
        last = Absence(MORNING + timedelta(hours=5), story.dice.choice((None, MORNING + timedelta(hours=7))))
        devices["BUS-B-0001"] = replace(devices["BUS-B-0001"], absences=(first, last))
    if story.dice.random() < 0.2:
        del devices["BUS-A-0001"]
    return replace(inputs, context=replace(inputs.context, devices=devices))


@pytest.fixture
def columnar(town: Any, tmp_path: Path) -> Columnar:
    return Columnar(tmp_path, town.vault)


@pytest.fixture
def tell() -> Callable[[Any, int, int], ObjectInputs]:
    """(town, seed, steps) to a window's inputs."""
    return told
