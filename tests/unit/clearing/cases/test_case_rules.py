"""How a case lives and what ends it."""

from __future__ import annotations

from datetime import date

import pytest

from clearing.cases.rules import (
    KINDS,
    LIFE,
    CaseEvent,
    CaseKind,
    CaseState,
    NotSuchAnEnd,
    Resolution,
    Subject,
    deadline,
    escalated_deadline,
    escalates_to,
    open_tap,
    transfer_of,
)
from clearing.ledger.rules import Purpose
from rulebook.calendar import calendar_named
from rulebook.money import Amount

DAY = date(2026, 9, 15)
TAP = open_tap("tap:1", 200, serial="0310", operator="bus-a", keeper="card-company")


def test_a_case_ends_by_two_people_or_by_itself() -> None:
    ends = {pair for pair, state in LIFE.items() if state is CaseState.CLOSED}
    assert ends == {
        (CaseState.PROPOSED, CaseEvent.APPROVE),
        (CaseState.OPEN, CaseEvent.VANISH),
        (CaseState.PROPOSED, CaseEvent.VANISH),
    }
    proposing = {pair for pair, state in LIFE.items() if state is CaseState.PROPOSED}
    assert proposing == {(CaseState.OPEN, CaseEvent.PROPOSE)}


def test_nothing_happens_to_a_closed_case() -> None:
    assert {state for state, _ in LIFE} == {CaseState.OPEN, CaseState.PROPOSED}


def test_what_waits_for_a_second_person_is_not_escalated() -> None:
    assert [state for state, event in LIFE if event is CaseEvent.ESCALATE] == [CaseState.OPEN]


@pytest.mark.parametrize(
    ("resolution", "credit"),
    [
        (Resolution.RELEASE, "operator-payable:bus-a"),
        (Resolution.REFUSE, "refunds-owed:0310"),
        (Resolution.NOT_ON_CARD, "value-on-cards"),
        (Resolution.WRITE_OFF, "fees"),
    ],
)
def test_an_open_tap_goes_where_two_people_say(resolution: Resolution, credit: str) -> None:
    transfer = transfer_of(TAP, resolution, DAY)
    assert transfer is not None
    assert (transfer.id, transfer.debit, transfer.credit) == ("case:tap:1", "open-taps", credit)
    assert (transfer.amount, transfer.purpose, transfer.reference) == (Amount(200), Purpose.RELEASE, "tap:1")


def test_a_dispute_moves_the_amount_or_nothing() -> None:
    subject = Subject(
        "d", CaseKind.DISPUTE, "transit", "bus-b", Amount(99), "operator-payable:bus-b", "operator-payable:bus-a"
    )
    transfer = transfer_of(subject, Resolution.ADJUST, DAY)
    assert transfer is not None
    assert (transfer.debit, transfer.credit) == ("operator-payable:bus-b", "operator-payable:bus-a")
    assert transfer.purpose is Purpose.ADJUSTMENT
    assert transfer_of(subject, Resolution.DISMISS, DAY) is None


@pytest.mark.parametrize("kind", CaseKind)
@pytest.mark.parametrize("resolution", Resolution)
def test_a_kind_ends_only_as_its_table_says(kind: CaseKind, resolution: Resolution) -> None:
    subject = Subject("x", kind, "transit", "bus-a", Amount(5), "open-taps", "operator-payable:bus-a", "0310")
    if resolution in KINDS[kind].resolutions:
        transfer_of(subject, resolution, DAY)
    else:
        with pytest.raises(NotSuchAnEnd, match=f"resolution is {resolution}; a case of kind {kind} ends with"):
            transfer_of(subject, resolution, DAY)


def test_the_deadline_counts_working_days_over_a_golden_week() -> None:
    """2026: National Day off 1 to 7 October; 10 October is worked (State Council's notice)."""
    assert deadline(CaseKind.BREAK, date(2026, 9, 30), calendar_named("china")) == date(2026, 10, 10)


def test_without_a_known_operator_the_keeper_sees_to_it() -> None:
    subject = open_tap("tap:2", 200, serial="0310", operator="", keeper="card-company")
    assert (subject.owner, subject.claimant) == ("card-company", "")
    assert transfer_of(subject, Resolution.RELEASE, DAY) is None


@pytest.mark.parametrize(
    ("owner", "today", "to"),
    [
        ("bus-b", date(2026, 9, 21), ""),  # the deadline itself is in time
        ("bus-b", date(2026, 9, 22), "card-company"),
        ("card-company", date(2026, 9, 22), ""),  # above the keeper there is nobody
    ],
)
def test_what_is_late_goes_to_the_keeper(owner: str, today: date, to: str) -> None:
    assert escalates_to(owner, keeper="card-company", deadline=date(2026, 9, 21), today=today) == to


@pytest.mark.parametrize("kind", CaseKind)
def test_the_keeper_has_working_days_of_its_own(kind: CaseKind) -> None:
    calendar = calendar_named("china")
    assert escalated_deadline(kind, DAY, calendar) == calendar.working_days_after(DAY, KINDS[kind].escalated_days)
    assert KINDS[kind].escalated_days > 0
