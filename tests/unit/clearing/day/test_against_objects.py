"""The columns say of a window what the objects say of it: every end, remark, sum, and what the next window must know."""

from __future__ import annotations

import random
from collections import Counter
from dataclasses import replace
from typing import Any

import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from clearing.day.reference import ObjectInputs, ObjectResult
from clearing.intake.rules import of_numbers
from clearing.ledger.rules import Purpose
from clearing.verification.reasons import Reason, Status


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
    assert met >= set(Reason) - {Reason.LATER_THAN_HORIZON, Reason.RELEASED, Reason.DECIDED_AGAINST}


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
