"""Every pair of state and event: as the table says, or refused with nothing changed."""

from __future__ import annotations

import itertools
from datetime import date
from typing import Any

import pytest

from backoffice.states import NotInThisState
from issuing.applications import rules as applications
from issuing.card_register import rules as cards
from issuing.products import last_day
from issuing.sams import rules as sams
from issuing.stock import rules as stock
from rulebook.messages.facts import CardState, SamState

MACHINES: dict[str, tuple[Any, Any, Any]] = {
    "application": (applications, applications.ApplicationState, applications.ApplicationEvent),
    "blank": (stock, stock.BlankState, stock.BlankEvent),
    "card": (cards, CardState, cards.CardEvent),
    "sam": (sams, SamState, sams.SamEvent),
}
PAIRS = [
    (name, state, event)
    for name, (_, states, events) in MACHINES.items()
    for state, event in itertools.product(states, events)
]


@pytest.mark.parametrize(("name", "state", "event"), PAIRS, ids=lambda value: str(value))
def test_pair_is_as_the_table_says(name: str, state: Any, event: Any) -> None:
    rules = MACHINES[name][0]
    if (state, event) in rules.TABLE:
        assert rules.next_state(state, event) is rules.TABLE[state, event]
        return
    with pytest.raises(NotInThisState) as caught:
        rules.next_state(state, event)
    assert caught.value.problem.status == 409
    assert f" is {state}; " in caught.value.problem.detail


FINAL = {
    "application": {"refused", "handed_over"},
    "blank": {"used", "scrapped"},
    "card": {"closed"},
    "sam": {"lost", "stock"},
}


@pytest.mark.parametrize("name", MACHINES)
def test_only_the_declared_states_are_final(name: str) -> None:
    rules, states, _ = MACHINES[name]
    leaving = {state for state, _ in rules.TABLE}
    assert set(states) - leaving == FINAL[name]


@pytest.mark.parametrize(
    ("before", "after", "change"),
    [
        (CardState.ACTIVE, CardState.LOST, True),
        (CardState.LOST, CardState.ACTIVE, False),
        (CardState.LOST, CardState.CLOSED, None),
        (CardState.PERSONALISED, CardState.ACTIVE, None),
    ],
)
def test_deny_list_follows_the_state(before: CardState, after: CardState, change: bool | None) -> None:
    assert cards.deny_change(before, after) is change


@pytest.mark.parametrize(
    ("first", "last"),
    [
        (date(2026, 9, 15), date(2036, 9, 14)),
        (date(2026, 9, 1), date(2036, 8, 31)),
        (date(2026, 1, 1), date(2035, 12, 31)),
        (date(2028, 2, 29), date(2038, 2, 28)),
        (date(2026, 3, 1), date(2036, 2, 29)),
    ],
)
def test_last_day_of_validity_is_the_day_before_the_anniversary(first: date, last: date) -> None:
    assert last_day(first, 10) == last
