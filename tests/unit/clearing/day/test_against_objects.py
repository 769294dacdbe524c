"""The columns say of a window what the objects say of it: every end, remark, sum, and what the next window must know."""

from __future__ import annotations

import random
from collections import Counter
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from card_os.profile.transit import TRANSIT_PROCESS, TransitProcess
from clearing.day.reference import ObjectInputs, ObjectResult
from clearing.intake.rules import of_numbers
from clearing.ledger.rules import Purpose
from clearing.verification.reasons import Reason, RemarkKind, Status
from rulebook.calendar import BUSINESS_ZONE
from rulebook.record import Event, Kind, Outcome


def _sums(transfers: Any) -> Counter[Any]:
    sums: Counter[Any] = Counter()
    for t in transfers:
        sums[t.book, t.business_day, t.debit, t.credit, t.purpose] += t.amount.minor
    return sums


def assert_equal(columns: Any, objects: ObjectResult) -> None:
    wrong = [r for r in objects.decided if r.decision.status in (Status.REJECTED, Status.SUSPENDED)]
    assert list(columns.exceptions) == wrong
    assert +columns.counts == Counter(r.decision.status for r in objects.decided)
    assert columns.remarks == objects.remarks
    assert _sums(columns.transfers) == _sums(objects.posted)
    assert columns.held == objects.held


def assert_traceable(columnar: Any, columns: Any) -> None:
    """Every set is the sum of the records that name it, and every record that was paid names one."""
    paid: Counter[str] = Counter()
    for written in columns.cleared:
        table = pq.read_table(columnar.folder / "results" / written.name)
        for row in table.select(["transfer", "amount", "settled", "load"]).to_pylist():
            assert bool(row["transfer"]) == (row["settled"] and not row["load"] and row["amount"] > 0)
            paid[row["transfer"]] += row["amount"]
    fares = {t.id: t.amount.minor for t in columns.transfers if t.purpose is Purpose.FARE}
    assert {name: minor for name, minor in paid.items() if name} == fares


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
def test_a_random_day(town: Any, columnar: Any, tell: Any, seed: int, steps: int) -> None:
    inputs = tell(town, seed, steps)
    objects, columns = town.settle(inputs), columnar.clear(inputs)
    assert_equal(columns, objects)
    assert_traceable(columnar, columns)
    expected = {counter: following for counter, following in objects.next_sequence.items() if following}
    assert _next_sequences(columnar.counters(columns)) == expected


@given(seed=st.integers(0, 2**32), steps=st.integers(1, 60), split=st.integers(0, 2**32))
@_PROPERTY
def test_two_windows_with_what_the_first_left(
    town: Any, columnar: Any, tell: Any, seed: int, steps: int, split: int
) -> None:
    inputs = tell(town, seed, steps)
    dice = random.Random(split)
    late = {(r.device, r.journal_sequence) for r in inputs.records if dice.random() < 0.4}
    early = [r for r in inputs.records if (r.device, r.journal_sequence) not in late]
    first = replace(inputs, records=tuple(early))
    objects, columns = town.settle(first), columnar.clear(first)
    second, memory = _second(inputs, first, late, objects, columns, columnar)
    again = columnar.clear(second, memory=memory)
    assert_equal(again, town.settle(second))
    assert_traceable(columnar, again)


def _second(
    inputs: ObjectInputs, first: ObjectInputs, late: set[Any], objects: ObjectResult, columns: Any, columnar: Any
) -> tuple[ObjectInputs, Any]:
    open_ = {row.decision.record for row in columns.exceptions if row.decision.status is Status.SUSPENDED}
    came: dict[str, list[int]] = {}
    for record in first.records:
        came.setdefault(record.device, []).append(record.journal_sequence)
    decided = {id_: minor % 200 == 0 for id_, minor in columns.held.items() if minor % 100 == 0 and id_.sequence % 2}
    context = replace(
        inputs.context,
        decided=decided,
        settled=objects.settled,
        held=columns.held,
        next_sequence=objects.next_sequence,
        inside=objects.inside,
    )
    second = replace(
        inputs,
        number=2,
        context=context,
        covered={device: of_numbers(numbers) for device, numbers in came.items()},
        records=tuple(r for r in inputs.records if (r.device, r.journal_sequence) in late),
        waiting=tuple(r for r in first.records if (r.device, r.journal_sequence) in open_),
    )
    return second, columnar.kept(first, columns)


@given(seed=st.integers(0, 2**32), steps=st.integers(1, 40), order=st.randoms(use_true_random=False))
@_PROPERTY
def test_shuffled_repeated_and_split_batches_give_the_same_bytes(
    town: Any, columnar: Any, tell: Any, seed: int, steps: int, order: random.Random
) -> None:
    inputs = tell(town, seed, steps)
    columnar.batch = 100
    expected = columnar.clear(inputs)
    columnar.batch = order.choice((1, 2, 3, 5))
    batches = [*columnar.stretches(inputs.records), *columnar.stretches(inputs.records[::2])]
    order.shuffle(batches)
    assert columnar.clear(inputs, batches=batches) == expected


def test_every_reason_of_a_single_claim_is_met_somewhere(town: Any, tell: Any) -> None:
    """The stories above would say nothing of a reason that they never tell."""
    met: set[Reason] = set()
    for seed in range(40):
        met |= {row.decision.reason for row in town.settle(tell(town, seed, 60)).decided}
    assert met >= set(Reason) - {
        Reason.RELEASED,
        Reason.DECIDED_AGAINST,
        Reason.ENDED_BEFORE,
    }


def test_no_record_at_all(town: Any, columnar: Any, tell: Any) -> None:
    result = columnar.clear(town.inputs(()))
    assert not result.transfers
    assert not result.cleared


@pytest.mark.long
@given(seed=st.integers(0, 2**32), steps=st.integers(0, 400))
@settings(deadline=None, max_examples=300, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_many_random_days(town: Any, columnar: Any, tell: Any, seed: int, steps: int) -> None:
    inputs = tell(town, seed, steps)
    assert_equal(columnar.clear(inputs), town.settle(inputs))


_MORNING = datetime(2026, 9, 15, 8, tzinfo=BUSINESS_ZONE)
_ASCII = st.text(st.characters(min_codepoint=1, max_codepoint=127), max_size=8)
_STAMPS = ("00010101000000", "00010101083000", "19691231235959", "99991231235959", "20260915080000", "20261515080000")
_FIELDS = st.fixed_dictionaries(
    {"stamp": st.sampled_from(_STAMPS)},
    optional={
        "device": st.sampled_from(["BUS-A-0001", "GATE-1", "TOPUP-01"]),
        "event": st.sampled_from(Event),
        "amount": st.sampled_from([0, 1, 100, 2**31, 2**32 - 1]),
        "balance_before_minor": st.sampled_from([0, 2**31 - 1, 2**32 - 1]),
        "card_sequence": st.sampled_from([0, 1, 63, 64, 65535]),
        "sam_sequence": st.sampled_from([0, 2**32 - 1]),
        "purse": st.sampled_from([0, 2, 255]),
        "algorithm": st.sampled_from([0, 4, 255]),
        "key_version": st.sampled_from([0, 1, 255]),
        "card_class": st.integers(0, 255),
        "transaction_type": st.sampled_from([0, 9, 255]),
        "tariff_version": st.sampled_from([0, 1, 2**32 - 1]),
        "list_version": st.sampled_from([0, 5, 2**32 - 1]),
        "line": _ASCII,
        "place": _ASCII,
        "issuer": st.sampled_from([bytes(8), b"\xff" * 8]),
        "serial": st.sampled_from([bytes(10), b"\xff" * 10]),
        "capp_before": st.binary(min_size=128, max_size=128),
    },
)


_KINDS = st.tuples(
    st.sampled_from(Kind), st.sampled_from(Outcome), st.sampled_from([-1, 0, 1, 2**32 - 1]), st.booleans()
)


@given(rows=st.lists(st.tuples(_FIELDS, _KINDS), min_size=2, max_size=8))
@settings(_PROPERTY, max_examples=10)
def test_no_record_stops_the_day(town: Any, columnar: Any, rows: list[Any]) -> None:
    """An intent, and whatever else of the same transaction: also what no terminal of ours would write."""
    town.journal.clear()
    town.deny.clear()
    town.deny_card(1)
    for number, (fields, (kind, outcome, before, proven)) in enumerate(rows):
        said = {name: value for name, value in fields.items() if name not in ("stamp", "card_sequence")}
        stamp = bytes.fromhex(fields["stamp"])
        sequence = fields.get("card_sequence", number)
        intent = town.intent(1 + number % 3, sequence, **said | {"date": stamp[:4], "time": stamp[4:]})
        refers_to = intent.journal_sequence if before < 0 else before
        tac = town.tac(intent) if proven else b"\x01\x02\x03\x04"
        town.write(replace(intent, kind=kind, outcome=outcome, refers_to=refers_to, tac=tac))
    assert_equal(columnar.clear(town.inputs()), town.settle())


@pytest.mark.parametrize("stamp", ["00010101013000", "19691231235959", "99991231235959"])
def test_a_time_before_there_were_cards_is_no_time(town: Any, columnar: Any, stamp: str) -> None:
    """And the clock went back by centuries without harm."""
    town.tap(1, 0)
    town.tap(1, 1, date=bytes.fromhex(stamp[:8]), time=bytes.fromhex(stamp[8:]))
    town.tap(1, 2, at=_MORNING + timedelta(minutes=1))
    cleared = columnar.clear(town.inputs())
    assert_equal(cleared, town.settle())
    assert {row.decision.reason for row in cleared.exceptions} == {Reason.CLOCK_UNREADABLE}
    assert cleared.held


def test_a_line_named_like_no_line_has_a_transfer_of_its_own(town: Any, columnar: Any) -> None:
    for number, line in enumerate(("", "-", "%2D", "a:b", "a")):
        town.tap(1, number, line=line)
    cleared = columnar.clear(town.inputs())
    assert len({transfer.id for transfer in cleared.transfers}) == len(cleared.transfers) == 5
    assert sum(transfer.amount.minor for transfer in cleared.transfers) == 500


def test_a_trip_at_no_time_teaches_no_fare(town: Any, columnar: Any) -> None:
    """It stands first among trips alike, whose fares are looked up by the first one."""
    entered = TransitProcess(entry_time="20260915080000", entry_station=b"0101\x00\x00\x00\x00", month="2609")
    ride = {"device": "GATE-1", "event": Event.EXIT, "place": "0102", "line": "01"}
    for number, day in enumerate((b"\x00\x01\x09\x15", b"\x20\x26\x09\x15")):
        intent = town.intent(1, number, **ride, date=day, capp_before=TRANSIT_PROCESS.encode(entered))
        town.outcome(intent)
    cleared = columnar.clear(town.inputs())
    assert_equal(cleared, town.settle())
    assert {remark.kind for remark in cleared.remarks} == {RemarkKind.CHARGED_LESS}
