"""The result is a function of what came in, whatever way it came in."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from clearing.ledger.chain import GENESIS, chain
from clearing.ledger.rules import Phase, Purpose, Transfer
from clearing.settlement.encoding import decode, encode
from clearing.settlement.model import Position, WindowInputs, WindowResult
from clearing.settlement.positions import add_to_nil, party_of, positions
from clearing.verification.reasons import Reason, RemarkKind
from rulebook.calendar import BUSINESS_ZONE
from rulebook.money import Amount
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
def test_order_and_duplicates_change_no_byte(town: Any, order: random.Random, copies: int) -> None:
    if not town.journal:
        _eventful_day(town)
    records = list(town.records) * copies
    order.shuffle(records)
    online = [_opening("o1", 5000), _opening("o2", 7000)]
    order.shuffle(online)
    expected = encode(town.settle(replace(town.inputs(), online=(_opening("o1", 5000), _opening("o2", 7000)))))
    assert encode(town.settle(replace(town.inputs(tuple(records)), online=tuple(online)))) == expected


def _opening(id_: str, minor: int) -> Transfer:
    return Transfer(
        id=id_,
        book="transit",
        debit="float-at-bank",
        credit="agent-prefunded:agent-1",
        amount=Amount(minor),
        purpose=Purpose.PREFUNDING,
        business_day=MORNING.date(),
    )


def _next(town: Any, inputs: WindowInputs, before: WindowResult, late: Sequence[Record]) -> WindowResult:
    """Window 2 as the service gathers it: what the first left open, and what came late."""
    open_ = {row.decision.record for row in before.decided if row.decision.status == "suspended"}
    context = replace(inputs.context, settled=before.settled, held=before.held, next_sequence=before.next_sequence)
    waiting = tuple(r for r in inputs.records if (r.device, r.journal_sequence) in open_)
    result: WindowResult = town.settle(replace(inputs, number=2, context=context, records=tuple(late), waiting=waiting))
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


def _totals(*results: WindowResult) -> dict[tuple[str, str], int]:
    totals: dict[tuple[str, str], int] = {}
    for result in results:
        for position in result.positions:
            key = (position.book, position.participant)
            totals[key] = totals.get(key, 0) + position.net_minor
    return totals


def test_value_on_open_taps_is_released_when_the_missing_intent_arrives(town: Any) -> None:
    intent, outcome = town.tap(1, 0)
    inputs = town.inputs((outcome,))
    first = town.settle(inputs)
    second = _next(town, inputs, first, [intent])
    assert [t.purpose for t in first.posted] == [Purpose.HELD]
    assert {t.purpose for t in second.posted} == {Purpose.RELEASE, Purpose.FARE}
    assert not second.held


def test_the_result_reads_back_as_it_was(town: Any) -> None:
    _eventful_day(town)
    result = town.settle(replace(town.inputs(), online=(_opening("o1", 5000),)))
    assert decode(encode(result)) == result


def test_transfers_are_numbered_and_chained_in_the_order_of_their_ids(town: Any) -> None:
    _eventful_day(town)
    result = town.settle(replace(town.inputs(), online=(_opening("o1", 5000),)))
    links = [numbered.link for numbered in result.transfers]
    assert [link.number for link in links] == list(range(1, len(links) + 1))
    assert links == chain([numbered.transfer for numbered in result.transfers], GENESIS)


def test_positions_add_to_nil_and_name_every_participant_of_a_book(town: Any) -> None:
    _eventful_day(town)
    result = town.settle()
    assert add_to_nil(result.positions)
    assert {p.participant for p in result.positions if p.book == "medical:employee-fund"} == {
        "employee-fund",
        "hospital-1",
        "hospital-2",
    }


def test_positions_that_do_not_add_up_are_seen() -> None:
    assert not add_to_nil([Position("transit", "a", credits_minor=5), Position("medical:x", "b", debits_minor=5)])
    assert not add_to_nil([Position("transit", "a", paid_minor=5), Position("transit", "b", prepaid_minor=5)])


def test_a_reservation_is_no_position() -> None:
    reserved = replace(_opening("o1", 5), phase=Phase.PENDING)
    assert positions([reserved], parties={}, keepers={"transit": "card-company"}, opening={}) == ()


@pytest.mark.parametrize(
    ("account", "party"),
    [
        ("operator-payable:bus-a", "bus-a"),
        ("agent-prefunded:agent-1", "agent-1"),
        ("value-on-cards", "keeper"),
        ("refunds-owed:03109910", "keeper"),
        ("personal-account:token", "keeper"),
    ],
)
def test_accounts_of_cards_and_persons_count_for_the_keeper(account: str, party: str) -> None:
    assert party_of(account, keeper="keeper") == party


def _remarks(result: WindowResult) -> list[tuple[RemarkKind, str]]:
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
    opening = replace(inputs.opening, journals={"BUS-A-0001": ((1, 2),)})
    context = replace(inputs.context, next_sequence={town.records[0].purchase_id[:3]: 1})
    assert not _remarks(town.settle(replace(inputs, opening=opening, context=context)))


def test_a_clock_that_went_back_is_reported_and_the_taps_are_paid(town: Any) -> None:
    town.tap(1, 0)
    town.tap(2, 0, at=MORNING - timedelta(minutes=5))
    result = town.settle()
    assert [kind for kind, _ in _remarks(result)] == [RemarkKind.CLOCK_WENT_BACK]
    assert len(result.posted) == 2


def _by_purpose(result: WindowResult) -> dict[Purpose, tuple[str, str, int]]:
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
