"""What one ride comes to by the right fare, how a restatement lives, and what a dry run leaves."""

from __future__ import annotations

import json
from datetime import date
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clearing.day.fares import Fare
from clearing.day.parquet import Written
from clearing.day.posting import FareSet
from clearing.restatement.life import (
    LIFE,
    STATES,
    RestatementEvent,
    RestatementState,
)
from clearing.restatement.outcome import Computed, Total
from clearing.restatement.rules import OPERATOR, Correction, Kind, Standing, as_cleared, changes, restated
from clearing.restatement.workshop import EntriesDiffer, Example, read_entries

FUND = "concession-fund"


def fare(total: int, **shares: int) -> Fare:
    return Fare(total, tuple((name.replace("_", "-"), minor) for name, minor in shares.items()))


@pytest.mark.parametrize(
    ("amount", "by_terminal", "right", "moves"),
    [
        (200, fare(200), fare(200), {}),
        (200, fare(200), fare(150), {(Kind.REFUND, ""): 50}),
        (200, fare(200), fare(260), {(Kind.LOSS, "card-company"): 60}),
        # 20 were owed back at clearing already, for the terminal charged more than its own tariff said.
        (200, fare(180), fare(150), {(Kind.REFUND, ""): 30}),
        (200, fare(180), fare(190), {(Kind.LOSS, "card-company"): 10}),
        # The terminal had charged less than its tariff said: the operator's loss then, somebody else's part of it now.
        (100, fare(150), fare(150), {(Kind.LOSS, OPERATOR): -50, (Kind.LOSS, "card-company"): 50}),
        (100, fare(150), fare(120), {(Kind.LOSS, OPERATOR): -50, (Kind.LOSS, "card-company"): 20}),
        (100, fare(100, concession_fund=100), fare(100, concession_fund=60), {(Kind.SUBSIDY, FUND): -40}),
        (0, fare(0, concession_fund=200), fare(0), {(Kind.SUBSIDY, FUND): -200}),
        (200, None, fare(150), {(Kind.REFUND, ""): 50}),
        (200, fare(150), None, {}),
    ],
)
def test_one_ride(
    amount: int, by_terminal: Fare | None, right: Fare | None, moves: dict[tuple[Kind, str], int]
) -> None:
    before = as_cleared(amount, by_terminal, granted=True)
    assert changes(before, restated(before, right, granted=True, borne_by="card-company")) == moves


def test_a_fund_pays_only_by_a_class_the_register_knows() -> None:
    before = as_cleared(100, fare(100, concession_fund=100), granted=False)
    after = restated(before, fare(80, concession_fund=120), granted=False, borne_by=OPERATOR)
    assert changes(before, after) == {(Kind.REFUND, ""): 20}


_FARES = st.builds(fare, st.integers(0, 1000), concession_fund=st.integers(0, 500))


@given(amount=st.integers(0, 1000), first=_FARES, right=_FARES, borne_by=st.sampled_from([OPERATOR, "card-company"]))
def test_restating_twice_changes_nothing_more_and_takes_nothing_back_from_a_holder(
    amount: int, first: Fare, right: Fare, borne_by: str
) -> None:
    before = as_cleared(amount, first, granted=True)
    once = restated(before, right, granted=True, borne_by=borne_by)
    assert changes(once, restated(once, right, granted=True, borne_by=borne_by)) == {}
    assert once.paid <= before.paid
    assert once.paid + sum(once.losses.values()) == right.total
    assert isinstance(once, Standing)


COVERS = Correction(
    number="1",
    first_day=date(2026, 9, 1),
    last_day=date(2026, 9, 30),
    tariff_version=2,
    borne_by=OPERATOR,
    through_window=5,
    lines=frozenset({"B101"}),
    operators=frozenset({"bus-a"}),
)


@pytest.mark.parametrize(
    ("day", "operator", "line", "window", "covered"),
    [
        (1, "bus-a", "B101", 5, True),
        (30, "bus-a", "B101", 1, True),
        (1, "bus-b", "B101", 5, False),
        (1, "bus-a", "B102", 5, False),
        (1, "bus-a", "B101", 6, False),
    ],
)
def test_a_correction_covers(day: int, operator: str, line: str, window: int, covered: bool) -> None:
    assert COVERS.covers(FareSet(date(2026, 9, day), operator, line), window) is covered


def test_a_correction_ends_with_its_days() -> None:
    for day in (date(2026, 8, 31), date(2026, 10, 1)):
        assert not COVERS.covers(FareSet(day, "bus-a", "B101"), 1)


def test_a_restatement_is_posted_only_after_a_second_person_agreed_to_its_dry_run() -> None:
    def ways_to(wanted: RestatementState) -> list[tuple[RestatementState, RestatementEvent]]:
        return [pair for pair, state in LIFE.items() if state is wanted]

    assert ways_to(RestatementState.POSTED) == [(RestatementState.APPROVED, RestatementEvent.FINISH)]
    assert ways_to(RestatementState.APPROVED) == [(RestatementState.COMPUTED, RestatementEvent.APPROVE)]
    computed = [
        (RestatementState.PROPOSED, RestatementEvent.COMPUTE),
        (RestatementState.COMPUTED, RestatementEvent.COMPUTE),
    ]
    assert ways_to(RestatementState.COMPUTED) == computed


def test_a_restatement_is_withdrawn_until_it_is_approved_and_then_it_has_ended() -> None:
    withdrawing = {state: after for (state, event), after in LIFE.items() if event is RestatementEvent.WITHDRAW}
    before_approval = (RestatementState.PROPOSED, RestatementState.COMPUTED)
    assert withdrawing == dict.fromkeys(before_approval, RestatementState.WITHDRAWN)
    assert set(RestatementState) - {state for state, _ in LIFE} == {RestatementState.POSTED, RestatementState.WITHDRAWN}


def test_every_state_is_told_in_both_languages() -> None:
    assert set(STATES) == set(RestatementState)


def test_a_dry_run_is_read_back_as_it_was_kept() -> None:
    example = Example("tap:1", "BUS-1/2", "2026-09-01", "bus-a", "B101", 200, 200, 150, 50, ("一",), ("one", "two"))
    kept = Computed(
        files=(Written("2026-09-01.parquet", 3, "ab" * 32),),
        rides=5,
        unpriceable=1,
        groups=(2,),
        totals=(Total(date(2026, 9, 1), "bus-a", "B101", "refund", "", 50, 1, 1),),
        examples=(example,),
    )
    assert Computed.from_json(json.loads(json.dumps(kept.to_json()))) == kept
    assert kept.pieces == 2


def test_entries_that_were_changed_are_not_posted(tmp_path: Path) -> None:
    (tmp_path / "day.parquet").write_bytes(b"changed")
    with pytest.raises(EntriesDiffer, match=r"day\.parquet is not the file that was approved"):
        read_entries(tmp_path, Written("day.parquet", 1, "00" * 32))
