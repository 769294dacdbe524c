"""How a case lives and what ends it."""

from __future__ import annotations

from datetime import date

import pytest

from clearing.cases.rules import (
    KINDS,
    CaseEvent,
    CaseKind,
    CaseState,
    ImpossibleCaseEvent,
    NotSuchAnEnd,
    Resolution,
    Subject,
    deadline,
    escalated_deadline,
    escalates_to,
    next_state,
    open_tap,
    transfer_of,
)
from clearing.ledger.rules import Purpose
from rulebook.calendar import calendar_named
from rulebook.money import Amount

DAY = date(2026, 9, 15)
TAP = open_tap("tap:1", 200, serial="0310", operator="bus-a", keeper="card-company")


@pytest.mark.parametrize("state", CaseState)
@pytest.mark.parametrize("event", CaseEvent)
def test_every_pair_is_in_the_table_or_refused(state: CaseState, event: CaseEvent) -> None:
    allowed = {
        (CaseState.OPEN, CaseEvent.ANSWER): CaseState.OPEN,
        (CaseState.OPEN, CaseEvent.PROPOSE): CaseState.PROPOSED,
        (CaseState.OPEN, CaseEvent.ESCALATE): CaseState.OPEN,
        (CaseState.OPEN, CaseEvent.VANISH): CaseState.CLOSED,
        (CaseState.PROPOSED, CaseEvent.WITHDRAW): CaseState.OPEN,
        (CaseState.PROPOSED, CaseEvent.APPROVE): CaseState.CLOSED,
        (CaseState.PROPOSED, CaseEvent.VANISH): CaseState.CLOSED,
    }
    if (state, event) in allowed:
        assert next_state(state, event) is allowed[state, event]
    else:
        with pytest.raises(ImpossibleCaseEvent, match=f"the case is {state}"):
            next_state(state, event)


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
