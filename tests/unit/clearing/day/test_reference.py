"""What the columns are compared with is a function of what came in, whatever way it came in."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from clearing.day.reference import ObjectInputs, ObjectResult
from clearing.ledger.rules import Purpose
from clearing.verification.reasons import Reason, RemarkKind
from rulebook.calendar import BUSINESS_ZONE
from rulebook.record import Outcome, Record

MORNING = datetime(2026, 9, 15, 8, tzinfo=BUSINESS_ZONE)


def _eventful_day(town: Any) -> None:
    """Good taps, a tear with its finding, a replay, a flipped TAC, a denied card and one left open."""
    for sequence in range(4):
        town.tap(1, sequence, at=MORNING + timedelta(minutes=sequence))
    torn = town.intent(2, 0, device="BUS-B-0001", line="B201")
    town.outcome(torn, Outcome.UNKNOWN)
    town.finding(torn, "BUS-A-0001")
    flipped = town.intent(2, 1, at=MORNING + timedelta(minutes=10))
    town.outcome(flipped, tac=b"\x00\x01\x02\x03")
    intent, outcome = town.tap(3, 0, device="BUS-B-0001", line="B201", card_class=3, amount=20)
    town.classes[3] = "elder"
    again = town.write(intent)
    town.write(replace(outcome, refers_to=again.journal_sequence))
    town.deny_card(3)
    town.tap(3, 1, at=MORNING + timedelta(hours=2), list_version=5)
    town.intent(1, 4, at=MORNING + timedelta(hours=3))


@given(order=st.randoms(use_true_random=False), copies=st.integers(1, 3))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_order_and_duplicates_change_nothing(town: Any, order: random.Random, copies: int) -> None:
    if not town.journal:
        _eventful_day(town)
    records = list(town.records) * copies
    order.shuffle(records)
    assert town.settle(town.inputs(tuple(records))) == town.settle()


def _next(town: Any, inputs: ObjectInputs, before: ObjectResult, late: Sequence[Record]) -> ObjectResult:
    """Window 2 as the service gathers it: what the first left open, and what came late."""
    open_ = {row.decision.record for row in before.decided if row.decision.status == "suspended"}
    context = replace(
        inputs.context,
        settled=before.settled,
        held=before.held,
        next_sequence=before.next_sequence,
        inside=before.inside,
    )
    waiting = tuple(r for r in inputs.records if (r.device, r.journal_sequence) in open_)
    result: ObjectResult = town.settle(replace(inputs, number=2, context=context, records=tuple(late), waiting=waiting))
    return result


@given(late=st.sets(st.integers(0, 20)))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_what_comes_after_the_cut_off_gives_the_same_totals_over_both_windows(town: Any, late: set[int]) -> None:
    if not town.journal:
        _eventful_day(town)
    whole = town.settle()
    late_records = [record for row, record in enumerate(town.records) if row in late]
    inputs = town.inputs(tuple(record for row, record in enumerate(town.records) if row not in late))
    first = town.settle(inputs)
    second = _next(town, inputs, first, late_records)
    assert _totals(first, second) == _totals(whole)


def _totals(*results: ObjectResult) -> dict[str, int]:
    totals: Counter[str] = Counter()
    for transfer in (transfer for result in results for transfer in result.posted):
        totals[transfer.debit] -= transfer.amount.minor
        totals[transfer.credit] += transfer.amount.minor
    return {account: minor for account, minor in totals.items() if minor}


def test_value_on_open_taps_is_released_when_the_missing_intent_arrives(town: Any) -> None:
    intent, outcome = town.tap(1, 0)
    inputs = town.inputs((outcome,))
    first = town.settle(inputs)
    second = _next(town, inputs, first, [intent])
    assert [t.purpose for t in first.posted] == [Purpose.HELD]
    assert {t.purpose for t in second.posted} == {Purpose.RELEASE, Purpose.FARE}
    assert not second.held


def _remarks(result: ObjectResult) -> list[tuple[RemarkKind, str]]:
    return [(remark.kind, remark.detail) for remark in result.remarks]


def test_a_gap_in_a_journal_is_reported(town: Any) -> None:
    for sequence in range(3):
        town.tap(1, sequence, at=MORNING + timedelta(minutes=sequence))
    del town.journal["BUS-A-0001"][2:4]
    result = town.settle()
    assert (RemarkKind.JOURNAL_GAP, "3–4") in _remarks(result)
    assert (RemarkKind.COUNTER_GAP, "1–1") in _remarks(result)


def test_a_gap_that_an_earlier_window_filled_is_none(town: Any) -> None:
    town.tap(1, 0)
    town.tap(1, 1)
    inputs = town.inputs(town.records[2:])
    context = replace(inputs.context, next_sequence={town.records[0].purchase_id[:3]: 1})
    assert not _remarks(town.settle(replace(inputs, covered={"BUS-A-0001": ((1, 2),)}, context=context)))


def test_a_clock_that_went_back_is_reported_and_the_taps_are_paid(town: Any) -> None:
    town.tap(1, 0)
    town.tap(2, 0, at=MORNING - timedelta(minutes=5))
    result = town.settle()
    assert [kind for kind, _ in _remarks(result)] == [RemarkKind.CLOCK_WENT_BACK]
    assert len(result.posted) == 2


def _by_purpose(result: ObjectResult) -> dict[Purpose, tuple[str, str, int]]:
    return {t.purpose: (t.debit, t.credit, t.amount.minor) for t in result.posted}


def test_a_discount_somebody_else_bears_is_paid_by_the_fund(town: Any) -> None:
    town.classes[1] = "student"
    town.tap(1, 0, card_class=2, amount=50)  # 2.00, half by card, half of that borne by the fund
    result = town.settle()
    assert _by_purpose(result) == {
        Purpose.FARE: ("value-on-cards", "operator-payable:bus-a", 50),
        Purpose.SUBSIDY: ("subsidy-receivable:concession-fund", "operator-payable:bus-a", 50),
    }
    assert not result.remarks


def test_a_concession_for_a_class_the_register_does_not_know_is_not_paid(town: Any) -> None:
    town.tap(1, 0, card_class=2, amount=50)
    result = town.settle()
    assert list(_by_purpose(result)) == [Purpose.FARE]
    assert [(r.kind, r.amount_minor, r.detail) for r in result.remarks] == [
        (RemarkKind.CLASS_DIFFERS, 50, "student / ordinary")
    ]


def test_charged_more_is_owed_back_to_the_holder_by_the_operator(town: Any) -> None:
    town.tap(1, 0, amount=130)
    result = town.settle()
    assert _by_purpose(result)[Purpose.FARE][2] == 130
    assert _by_purpose(result)[Purpose.REFUND] == ("operator-payable:bus-a", "refunds-owed:03109910000000000001", 30)
    assert [(r.kind, r.amount_minor) for r in result.remarks] == [(RemarkKind.CHARGED_MORE, 30)]


def test_charged_less_is_the_operators_loss(town: Any) -> None:
    town.tap(1, 0, amount=70)
    result = town.settle()
    assert list(_by_purpose(result)) == [Purpose.FARE]
    assert [(r.kind, r.participant, r.amount_minor) for r in result.remarks] == [(RemarkKind.CHARGED_LESS, "bus-a", 30)]


def test_a_tariff_that_was_never_published_leaves_the_amount_and_is_reported(town: Any) -> None:
    town.tap(1, 0, tariff_version=7)
    result = town.settle()
    assert [r.kind for r in result.remarks] == [RemarkKind.NOT_PRICEABLE]
    assert len(result.posted) == 1


def test_no_reason_but_good_order_is_needed_for_a_whole_day(town: Any) -> None:
    for card in (1, 2, 3):
        for sequence in range(3):
            town.tap(card, sequence, at=MORNING + timedelta(minutes=10 * card + sequence))
    result = town.settle()
    assert {row.decision.reason for row in result.decided} == {Reason.NONE}
    assert not result.remarks
