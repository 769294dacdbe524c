"""A step is what its table says, or a refusal that tells what must be true first."""

from __future__ import annotations

import re
from collections.abc import Mapping
from enum import StrEnum
from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from backoffice.states import NotInThisState, step


class Door(StrEnum):
    OPEN = "open"
    SHUT = "shut"
    LOCKED = "locked"


class Act(StrEnum):
    SHUT = "shut"
    LOCK = "lock"
    UNLOCK = "unlock"
    BURN = "burn"


Table = Mapping[tuple[Door, Act], Door]
TABLE: Table = {
    (Door.OPEN, Act.SHUT): Door.SHUT,
    (Door.SHUT, Act.SHUT): Door.SHUT,
    (Door.SHUT, Act.LOCK): Door.LOCKED,
    (Door.LOCKED, Act.UNLOCK): Door.SHUT,
}


@pytest.mark.parametrize(
    ("state", "event", "detail"),
    [
        (Door.OPEN, Act.LOCK, "door 3 is open; for lock it must be shut"),
        (Door.LOCKED, Act.SHUT, "door 3 is locked; for shut it must be open or shut"),
        (Door.OPEN, Act.BURN, "door 3 is open; burn is possible in no state"),
    ],
)
def test_a_refusal_says_what_must_be_true_first(state: Door, event: Act, detail: str) -> None:
    with pytest.raises(NotInThisState) as caught:
        step(TABLE, "door 3", state, event)
    problem = caught.value.problem
    assert (problem.status, problem.reason, problem.detail) == (409, "not_in_this_state", detail)


def test_a_machine_with_codes_of_its_own_keeps_them() -> None:
    with pytest.raises(NotInThisState) as caught:
        step(TABLE, "door 3", Door.OPEN, Act.LOCK, reason="door_open")
    assert caught.value.problem.reason == "door_open"


@given(
    table=st.dictionaries(st.tuples(st.sampled_from(Door), st.sampled_from(Act)), st.sampled_from(Door)),
    pair=st.sampled_from(list(product(Door, Act))),
)
def test_every_pair_is_as_the_table_says_or_names_exactly_the_states_that_allow_it(
    table: Table, pair: tuple[Door, Act]
) -> None:
    state, event = pair
    try:
        assert step(table, "door 3", state, event) is table[pair]
    except NotInThisState as refused:
        assert pair not in table
        named = re.findall(r"open|shut|locked", refused.problem.detail.partition("must be")[2])
        assert sorted(named) == sorted(door for door in Door if (door, event) in table)
