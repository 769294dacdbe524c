"""Each record ends in a named way, and its value goes one way only."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest

from clearing.day.reference import ObjectResult
from clearing.verification.context import Absence, KnownDevice, KnownLoad, TransactionId, moment
from clearing.verification.reasons import PRECEDENCE, RULES, Reason, RemarkKind, Status
from rulebook.calendar import BUSINESS_ZONE
from rulebook.record import Event, Kind, Outcome, Record, Verdict


def _reasons(result: ObjectResult) -> dict[tuple[str, int], Reason]:
    return {row.decision.record: row.decision.reason for row in result.decided}


def _moved(result: ObjectResult) -> list[tuple[str, str, int]]:
    return [(t.debit, t.credit, t.amount.minor) for t in result.posted]


MORNING = datetime(2026, 9, 15, 8, tzinfo=BUSINESS_ZONE)
PAID = [("value-on-cards", "operator-payable:bus-a", 100)]
HELD = [("value-on-cards", "open-taps", 100)]


def test_a_tap_in_order_is_paid_to_its_operator(town: Any) -> None:
    town.tap(1, 0)
    result = town.settle()
    assert set(_reasons(result).values()) == {Reason.NONE}
    assert _moved(result) == PAID


def test_every_reason_has_a_rule_and_a_rank() -> None:
    assert set(RULES) == set(PRECEDENCE) == set(Reason)
    accepted = [reason for reason in Reason if RULES[reason].status is Status.ACCEPTED]
    assert accepted == [Reason.RELEASED, Reason.CONFIRMS, Reason.NONE]


def tap_time(record: Record) -> datetime:
    at = moment(record)
    assert at is not None
    return at


def _flip_tac(town: Any) -> None:
    intent = town.intent(1, 0)
    tac = town.tac(intent)
    town.outcome(intent, tac=bytes([tac[0] ^ 1]) + tac[1:])


def _other_sam(town: Any) -> None:
    town.tap(1, 0, sam_terminal=bytes.fromhex("991000009999"))


def _other_key_version(town: Any) -> None:
    town.tap(1, 0, key_version=2)


def _no_such_time(town: Any) -> None:
    town.tap(1, 0, time=bytes.fromhex("256100"))


def _unknown_card(town: Any) -> None:
    town.tap(9, 0)


def _denied_old_list(town: Any) -> None:
    town.deny_card(1)
    town.tap(1, 0, list_version=4)


def _denied_let_through(town: Any) -> None:
    town.deny_card(1)
    town.tap(1, 0, list_version=5)


def _outcome_alone(town: Any) -> None:
    town.outcome(town.intent(1, 0))
    town.journal["BUS-A-0001"].pop(0)


def _too_late(town: Any) -> None:
    town.tap(1, 0, date=bytes.fromhex("20260815"))


def _tomorrow(town: Any) -> None:
    town.tap(1, 0, date=bytes.fromhex("20260917"))


def _ride_at_a_desk(town: Any) -> None:
    town.tap(1, 0, device="TOPUP-01")


def _ride_at_a_gate(town: Any) -> None:
    town.tap(1, 0, device="GATE-1")


def _mac2_wrong(town: Any) -> None:
    town.outcome(town.intent(1, 0), mac2_verdict=Verdict.WRONG)


@pytest.mark.parametrize(
    ("happened", "reason"),
    [
        (_flip_tac, Reason.TAC_WRONG),
        (_other_sam, Reason.SAM_NOT_OF_DEVICE),
        (_other_key_version, Reason.KEY_VERSION_WRONG),
        (_no_such_time, Reason.CLOCK_UNREADABLE),
        (_unknown_card, Reason.CARD_UNKNOWN),
        (_denied_old_list, Reason.DENIED_WITH_OLD_LIST),
        (_denied_let_through, Reason.DENIED_LET_THROUGH),
        (_outcome_alone, Reason.OUTCOME_WITHOUT_INTENT),
        (_too_late, Reason.LATER_THAN_HORIZON),
        (_tomorrow, Reason.AHEAD_OF_BUSINESS_DAY),
        (_mac2_wrong, Reason.MAC2_WRONG),
        (_ride_at_a_desk, Reason.EVENT_NOT_OF_DEVICE),
        (_ride_at_a_gate, Reason.EVENT_NOT_OF_DEVICE),
    ],
)
def test_a_failed_tap_names_its_reason_and_its_value_waits(
    town: Any, happened: Callable[[Any], None], reason: Reason
) -> None:
    happened(town)
    result = town.settle()
    assert set(_reasons(result).values()) == {reason}
    assert _moved(result) == HELD
    assert list(result.held.values()) == [100]
    assert not result.settled


def test_a_device_that_is_not_enrolled_or_lost_is_named_before_anything_else(town: Any) -> None:
    _flip_tac(town)
    inputs = town.inputs()
    bus = inputs.context.devices["BUS-A-0001"]
    cases: list[tuple[dict[str, KnownDevice], Reason]] = [
        ({}, Reason.DEVICE_UNKNOWN),
        ({"BUS-A-0001": replace(bus, absences=(Absence(MORNING),))}, Reason.DEVICE_LOST),
    ]
    for devices, reason in cases:
        result = town.settle(replace(inputs, context=replace(inputs.context, devices=devices)))
        assert set(_reasons(result).values()) == {reason}


def test_a_denied_card_before_the_list_had_to_be_there_is_paid(town: Any) -> None:
    _, tap = town.tap(1, 0)
    town.deny_card(1, reported_at=tap_time(tap) - timedelta(minutes=59))  # a validator's list may take 60
    assert _moved(town.settle()) == PAID


@pytest.mark.parametrize(("minutes", "reason"), [(-1, Reason.DEVICE_LOST), (0, Reason.DEVICE_LOST), (1, Reason.NONE)])
def test_what_a_device_did_before_it_was_lost_is_good(town: Any, minutes: int, reason: Reason) -> None:
    _, tap = town.tap(1, 0)
    inputs = town.inputs()
    absence = Absence(tap_time(tap) + timedelta(minutes=minutes))
    lost = replace(inputs.context.devices["BUS-A-0001"], absences=(absence,))
    devices = {**inputs.context.devices, "BUS-A-0001": lost}
    result = town.settle(replace(inputs, context=replace(inputs.context, devices=devices)))
    assert set(_reasons(result).values()) == {reason}


@pytest.mark.parametrize("again", [(), (Absence(MORNING + timedelta(hours=9)),)], ids=["once", "lost again since"])
@pytest.mark.parametrize(("minutes", "reason"), [(-1, Reason.NONE), (0, Reason.NONE), (1, Reason.DEVICE_LOST)])
def test_what_a_device_did_while_it_was_away_counts_for_nothing_after_its_return(
    town: Any, minutes: int, reason: Reason, again: tuple[Absence, ...]
) -> None:
    _, tap = town.tap(1, 0)
    inputs = town.inputs()
    absence = Absence(MORNING - timedelta(hours=1), tap_time(tap) + timedelta(minutes=minutes))
    back = replace(inputs.context.devices["BUS-A-0001"], absences=(absence, *again))
    devices = {**inputs.context.devices, "BUS-A-0001": back}
    result = town.settle(replace(inputs, context=replace(inputs.context, devices=devices)))
    assert set(_reasons(result).values()) == {reason}


def test_a_denial_that_was_taken_back_before_the_tap_is_none(town: Any) -> None:
    town.deny_card(1)
    town.deny.append(replace(town.deny[0], number=6, denied=False, reported_at=MORNING - timedelta(hours=1)))
    town.tap(1, 0, list_version=5)
    assert _moved(town.settle()) == PAID


def test_a_denial_taken_back_after_the_tap_still_counts(town: Any) -> None:
    town.deny_card(1)
    town.deny.append(replace(town.deny[0], number=6, denied=False, reported_at=MORNING + timedelta(hours=1)))
    town.tap(1, 0, list_version=4)
    assert set(_reasons(town.settle()).values()) == {Reason.DENIED_WITH_OLD_LIST}


def test_of_several_reports_of_one_card_the_first_counts(town: Any) -> None:
    town.deny_card(1)
    town.deny_card(1, number=9, reported_at=MORNING - timedelta(minutes=1))
    town.tap(1, 0, list_version=5)
    assert set(_reasons(town.settle()).values()) == {Reason.DENIED_LET_THROUGH}


def test_an_outcome_that_comes_a_window_after_its_finding_confirms_it_once(town: Any) -> None:
    intent = town.intent(1, 0)
    town.finding(intent, "BUS-B-0001")
    first = town.settle()
    assert _moved(first) == PAID
    outcome = town.outcome(intent)
    second = town.outcome(intent)
    inputs = town.inputs((outcome, second))
    later = town.settle(replace(inputs, number=2, context=replace(inputs.context, settled=first.settled)))
    assert _reasons(later) == {("BUS-A-0001", 2): Reason.CONFIRMS, ("BUS-A-0001", 3): Reason.REPEATED}
    assert not later.posted


def test_another_issuers_card_is_claimed_and_moves_nothing(town: Any) -> None:
    town.tap(1, 0, issuer=bytes.fromhex("02002000FFFFFFFF"))
    result = town.settle()
    assert {row.decision.status for row in result.decided} == {Status.CLAIMED}
    assert not result.posted


def test_a_replayed_record_is_rejected_and_paid_once(town: Any) -> None:
    intent, outcome = town.tap(1, 0)
    replay = town.write(replace(intent))
    town.write(replace(outcome, refers_to=replay.journal_sequence))
    result = town.settle()
    assert _moved(result) == PAID
    assert _reasons(result)["BUS-A-0001", 4] is Reason.REPEATED


def test_one_purchase_id_with_other_content_is_reported_and_paid_once(town: Any) -> None:
    town.tap(1, 0)
    town.tap(1, 0, amount=200)
    result = town.settle()
    assert _moved(result) == PAID
    assert _reasons(result)["BUS-A-0001", 4] is Reason.REPEATED_WITH_OTHER_CONTENT


def test_what_an_earlier_window_paid_is_a_repeat_for_ever(town: Any) -> None:
    town.tap(1, 0)
    first = town.settle()
    inputs = town.inputs()
    again = town.settle(replace(inputs, number=2, context=replace(inputs.context, settled=first.settled)))
    assert not again.posted
    assert _reasons(again)["BUS-A-0001", 2] is Reason.REPEATED


@pytest.mark.parametrize("outcome", [None, Outcome.UNKNOWN])
def test_an_intent_whose_end_nobody_knows_stays_open_and_moves_nothing(town: Any, outcome: Outcome | None) -> None:
    intent = town.intent(1, 0)
    if outcome is not None:
        town.outcome(intent, outcome)
    result = town.settle()
    assert set(_reasons(result).values()) == {Reason.INTENT_WITHOUT_OUTCOME}
    assert not result.posted


@pytest.mark.parametrize("outcome", [None, Outcome.UNKNOWN])
@pytest.mark.parametrize(("age", "reason"), [(30, Reason.INTENT_WITHOUT_OUTCOME), (31, Reason.NEVER_ENDED)])
def test_it_waits_no_longer_than_its_outcome_may_come_in(
    town: Any, outcome: Outcome | None, age: int, reason: Reason
) -> None:
    intent = town.intent(1, 0, at=MORNING - timedelta(days=age))
    if outcome is not None:
        town.outcome(intent, outcome)
    result = town.settle()
    assert set(_reasons(result).values()) == {reason}
    assert not result.posted


@pytest.mark.parametrize("outcome", [Outcome.REFUSED, Outcome.VOID])
def test_a_tap_that_did_not_happen_ends_without_money(town: Any, outcome: Outcome) -> None:
    town.outcome(town.intent(1, 0), outcome)
    result = town.settle()
    assert set(_reasons(result).values()) == {Reason.NONE}
    assert not result.posted


def test_a_finding_from_another_terminal_joins_the_intent_and_pays_the_first_operator(town: Any) -> None:
    intent = town.intent(1, 0)
    town.outcome(intent, Outcome.UNKNOWN)
    town.finding(intent, "BUS-B-0001")
    result = town.settle()
    assert set(_reasons(result).values()) == {Reason.NONE}
    assert _moved(result) == PAID


@pytest.mark.parametrize(("device", "finder"), [("BUS-A-0001", "BUS-B-0001"), ("BUS-B-0001", "BUS-A-0001")])
def test_a_finding_of_what_is_known_already_confirms_it(town: Any, device: str, finder: str) -> None:
    intent, outcome = town.tap(1, 0, device=device)
    town.finding(intent, finder)
    result = town.settle()
    assert [t.amount.minor for t in result.posted] == [100]
    assert _reasons(result)[finder, 1] is Reason.CONFIRMS
    assert _reasons(result)[device, outcome.journal_sequence] is Reason.NONE


def test_an_unknown_end_that_is_later_shown_void_leaves_nothing_open(town: Any) -> None:
    intent = town.intent(1, 0)
    town.outcome(intent, Outcome.UNKNOWN)
    town.outcome(intent, Outcome.VOID)
    result = town.settle()
    assert set(_reasons(result).values()) == {Reason.NONE}
    assert not result.posted


def test_a_finding_proves_the_one_intent_of_several_that_its_tac_fits(town: Any) -> None:
    torn = town.intent(1, 0)
    town.outcome(torn, Outcome.UNKNOWN)
    again = town.intent(1, 0, at=tap_time(torn) + timedelta(seconds=5))
    town.finding(again, "BUS-B-0001")
    result = town.settle()
    assert set(_reasons(result).values()) == {Reason.NONE}
    assert _moved(result) == PAID


def test_a_retap_after_a_tear_voids_the_first_intent(town: Any) -> None:
    torn = town.intent(1, 0)
    town.tap(1, 0, at=tap_time(torn) + timedelta(seconds=5))
    result = town.settle()
    assert set(_reasons(result).values()) == {Reason.NONE}
    assert _moved(result) == PAID


def test_a_finding_without_its_intent_waits(town: Any) -> None:
    intent = town.intent(1, 0)
    town.finding(intent, "BUS-B-0001")
    town.journal["BUS-A-0001"].clear()
    result = town.settle()
    assert set(_reasons(result).values()) == {Reason.FINDING_WITHOUT_INTENT}
    assert not result.posted


@pytest.mark.parametrize(
    ("known", "reason", "remarks"),
    [
        (KnownLoad(5000, True), Reason.NONE, 0),
        (KnownLoad(5000, False), Reason.NONE, 1),
        (KnownLoad(4000, True), Reason.LOAD_DIFFERS, 0),
        (None, Reason.LOAD_UNKNOWN, 0),
    ],
    ids=["posted", "not posted yet", "other amount", "never authorised"],
)
def test_a_load_is_checked_against_what_was_authorised_and_moves_nothing_here(
    town: Any, known: KnownLoad | None, reason: Reason, remarks: int
) -> None:
    intent = town.intent(1, 0, amount=5000, event=Event.LOAD, transaction_type=2, device="TOPUP-01", line="")
    outcome = town.outcome(intent)
    if known is not None:
        town.loads[TransactionId.of(outcome)] = known
    result = town.settle()
    assert set(_reasons(result).values()) == {reason}
    assert not result.posted
    assert len(result.remarks) == remarks


def test_a_load_with_a_wrong_tac_takes_nothing_off_the_cards(town: Any) -> None:
    intent = town.intent(1, 0, amount=5000, event=Event.LOAD, transaction_type=2, device="TOPUP-01", line="")
    town.outcome(intent, tac=bytes(4))
    result = town.settle()
    assert set(_reasons(result).values()) == {Reason.TAC_WRONG}
    assert not result.posted
    assert not result.held


def test_load_and_purchase_with_one_number_are_two_transactions(town: Any) -> None:
    _, tap = town.tap(1, 0)
    load = replace(tap, event=Event.LOAD)
    assert TransactionId.of(tap) != TransactionId.of(load)


def test_the_id_reads_back(town: Any) -> None:
    _, tap = town.tap(1, 7)
    id_ = TransactionId.of(tap)
    assert TransactionId.parse(str(id_)) == id_
    assert tap.kind is Kind.OUTCOME


def test_a_card_past_its_date_is_the_operators_risk(town: Any) -> None:
    """The terminal reads the dates in file 15."""
    town.expired.add(1)
    town.tap(1, 0)
    town.tap(1, 1, at=MORNING - timedelta(days=1))
    assert list(_reasons(town.settle()).values()) == [Reason.CARD_NOT_VALID] * 2 + [Reason.NONE] * 2


def _trips(town: Any) -> list[str]:
    return [r.subject[-7:] for r in town.settle().remarks if r.kind is RemarkKind.TRIP_UNFINISHED]


def test_an_entry_that_no_exit_follows_is_reported(town: Any) -> None:
    gate = {"device": "GATE-1", "amount": 0, "event": Event.ENTRY, "line": ""}
    town.tap(1, 0, **gate)
    assert _trips(town) == [], "the exit may still come"
    town.tap(1, 2)
    assert _trips(town) == [], "purchase 1 may have been the exit"
    town.tap(1, 1, **gate)
    assert _trips(town) == ["2:00000", "2:00001"]
    town.tap(2, 0, **gate)
    town.tap(2, 1, device="GATE-1", event=Event.EXIT, line="", place="0102", amount=300)
    assert _trips(town) == ["2:00000", "2:00001"]
