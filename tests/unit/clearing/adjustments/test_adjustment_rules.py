"""How an adjustment lives, what it posts, and what takes it back."""

from __future__ import annotations

from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from backoffice.states import NotInThisState, step
from clearing.adjustments.rules import (
    CORRECTED,
    LIFE,
    REASONS,
    STATES,
    Adjustment,
    AdjustmentEvent,
    AdjustmentState,
    Corrects,
    Reason,
    form_faults,
)
from clearing.ledger.rules import Purpose, Transfer
from rulebook.money import Amount

DAY = date(2026, 9, 15)


def adjustment(**fields: object) -> Adjustment:
    given_fields = {
        "number": "2026-1",
        "book": "transit",
        "giver": "bus-a",
        "receiver": "bus-b",
        "debit": "operator-payable:bus-a",
        "credit": "operator-payable:bus-b",
        "amount": Amount(350),
        "reason": Reason.WRONG_PARTICIPANT,
        "text": "line B201",
        "corrects": Corrects.WINDOW,
        "corrected": "1",
    }
    return Adjustment(**{**given_fields, **fields})  # type: ignore[arg-type]


def test_only_what_is_proposed_ends_and_each_decision_has_its_end() -> None:
    assert LIFE == {
        (AdjustmentState.PROPOSED, AdjustmentEvent.APPROVE): AdjustmentState.POSTED,
        (AdjustmentState.PROPOSED, AdjustmentEvent.REFUSE): AdjustmentState.REFUSED,
        (AdjustmentState.PROPOSED, AdjustmentEvent.WITHDRAW): AdjustmentState.WITHDRAWN,
    }


def test_it_posts_one_entry_under_its_own_id() -> None:
    assert adjustment().transfer(DAY) == Transfer(
        id="adjustment:2026-1",
        book="transit",
        debit="operator-payable:bus-a",
        credit="operator-payable:bus-b",
        amount=Amount(350),
        purpose=Purpose.ADJUSTMENT,
        business_day=DAY,
        reference="window:1",
    )


@given(minor=st.integers(1, 10**12))
def test_its_reversal_moves_exactly_that_back_and_names_it(minor: int) -> None:
    first = adjustment(amount=Amount(minor))
    back = first.reversal("2026-2", "was right after all")
    there, again = first.transfer(DAY), back.transfer(DAY)
    assert (again.debit, again.credit, again.amount) == (there.credit, there.debit, there.amount)
    assert (again.id, again.reference) == ("adjustment:2026-2", "adjustment:adjustment:2026-1")
    assert back.reason is Reason.REVERSAL
    twice = back.reversal("2026-3", "no").transfer(DAY)
    assert (twice.debit, twice.credit) == (there.debit, there.credit)


GOOD = {
    "giver": "bus-a",
    "receiver": "bus-b",
    "amount_minor": 1,
    "text": "why",
    "reason": Reason.MISSING_ENTRY,
    "corrects": Corrects.CASE,
}


@pytest.mark.parametrize(
    ("wrong", "fields"),
    [
        ({}, []),
        ({"receiver": "bus-a"}, ["receiver"]),
        ({"amount_minor": 0}, ["amount_minor"]),
        ({"amount_minor": -5}, ["amount_minor"]),
        ({"text": " \n"}, ["text"]),
        ({"reason": Reason.REVERSAL}, ["reason"]),
        ({"corrects": Corrects.ADJUSTMENT}, ["reason"]),
        ({"receiver": "bus-a", "amount_minor": 0, "text": ""}, ["receiver", "amount_minor", "text"]),
    ],
)
def test_every_fault_of_a_form_is_named(wrong: dict[str, object], fields: list[str]) -> None:
    faults = form_faults(**{**GOOD, **wrong})  # type: ignore[arg-type]
    assert [fault["field"] for fault in faults] == fields


def test_every_name_is_told_in_both_languages() -> None:
    for names, members in ((REASONS, Reason), (CORRECTED, Corrects), (STATES, AdjustmentState)):
        assert set(names) == set(members)
        assert all(zh and en for zh, en in names.values())


class Desk(RuleBasedStateMachine):
    """Whatever is tried in whatever order: an adjustment ends once, and stays as it ended."""

    def __init__(self) -> None:
        super().__init__()
        self.state = AdjustmentState.PROPOSED
        self.ends = 0

    @rule(event=st.sampled_from(AdjustmentEvent))
    def attempt(self, event: AdjustmentEvent) -> None:
        before = self.state
        try:
            self.state = step(LIFE, "the adjustment", self.state, event)
        except NotInThisState:
            assert before is not AdjustmentState.PROPOSED
        else:
            self.ends += 1

    @precondition(lambda self: self.ends)
    @rule()
    def has_ended(self) -> None:
        assert self.state is not AdjustmentState.PROPOSED

    @invariant()
    def at_most_once(self) -> None:
        assert self.ends <= 1


TestDesk = Desk.TestCase
