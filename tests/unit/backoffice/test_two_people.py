"""Two people decide, and who is refused learns who was first."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from backoffice.problems import Refused
from backoffice.two_people import a_second_person, the_first_person

NAMES = st.sampled_from(["wang", "li", "Wang"])


@given(actor=NAMES, first=st.none() | NAMES)
def test_only_the_same_person_is_refused(actor: str, first: str | None) -> None:
    if actor != first:
        a_second_person(actor, first=first, what="window 3")
        return
    with pytest.raises(Refused) as caught:
        a_second_person(actor, first=first, what="window 3")
    problem = caught.value.problem
    assert (problem.status, problem.reason) == (409, "second_person_must_differ")
    assert f"window 3: {first} acted first; somebody else must" in problem.detail
    assert f"第一人为 {first}" in problem.detail


@given(actor=NAMES, first=NAMES)
def test_only_who_proposed_it_withdraws_it(actor: str, first: str) -> None:
    if actor == first:
        the_first_person(actor, first=first, what="opening 1")
        return
    with pytest.raises(Refused) as caught:
        the_first_person(actor, first=first, what="opening 1")
    assert (caught.value.problem.status, caught.value.problem.reason) == (409, "not_the_proposer")
    assert f"opening 1: {first} proposed it" in caught.value.problem.detail
