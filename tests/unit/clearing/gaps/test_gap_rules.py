"""A gap is open until its last number has come or two people have explained it; it has an owner and a deadline."""

from __future__ import annotations

from datetime import date
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clearing.cases.rules import CaseKind
from clearing.gaps.rules import FollowedGap, GapKind, followed, opened, subject_of
from clearing.intake.rules import Range, without
from clearing.settlement.model import Remark
from clearing.verification.reasons import RemarkKind
from rulebook.calendar import calendar_named

TODAY = date(2026, 9, 15)
CARD = "03109910000000000001"
ranges = st.lists(st.tuples(st.integers(0, 30), st.integers(0, 6)).map(lambda pair: (pair[0], sum(pair))), max_size=6)


def _numbers(of: list[Range] | tuple[Range, ...]) -> set[int]:
    return {number for first, last in of for number in range(first, last + 1)}


def _gap(first: int, last: int, *, subject: str = "BUS-A-0001", deadline: date = TODAY) -> FollowedGap:
    return FollowedGap(GapKind.JOURNAL, subject, first, last, 1, "bus-a", TODAY, deadline, ((first, last),))


@given(ranges, ranges)
def test_what_is_left_is_what_is_in_the_one_and_not_in_the_other(some: list[Range], taken: list[Range]) -> None:
    left = without(some, taken)
    assert _numbers(left) == _numbers(some) - _numbers(taken)
    assert all(before[1] + 1 < after[0] for before, after in pairwise(left))


@given(st.lists(ranges, max_size=6))
def test_in_whatever_pieces_it_comes_a_gap_closes_with_the_last_of_them(arrivals: list[list[Range]]) -> None:
    open_ = [_gap(3, 20)]
    came: set[int] = set()
    for arrival in arrivals:
        found = followed(open_, {(GapKind.JOURNAL, "BUS-A-0001"): arrival}, TODAY)
        came |= _numbers(arrival)
        left = set(range(3, 21)) - came
        if not open_:
            assert found.closed == ()
            continue
        narrower = {(gap.first, gap.last): gap for gap in found.narrower}
        open_ = [] if found.closed else [narrower.get((3, 20), open_[0])]
        assert _numbers([part for gap in open_ for part in gap.missing]) == left
        assert bool(found.closed) == (not left)


def test_what_comes_of_others_does_not_close_it() -> None:
    arrivals = {(GapKind.JOURNAL, "BUS-A-0002"): [(1, 9)], (GapKind.CARD, "BUS-A-0001"): [(1, 9)]}
    found = followed([_gap(3, 4)], arrivals, TODAY)
    assert (found.narrower, found.closed, found.overdue) == ((), (), ())


@pytest.mark.parametrize(
    ("today", "overdue"), [(TODAY, 0), (date(2026, 9, 16), 1)], ids=["on the day", "the day after"]
)
def test_it_is_overdue_from_the_day_after_its_deadline(today: date, overdue: int) -> None:
    assert len(followed([_gap(3, 4)], {}, today).overdue) == overdue


def test_what_came_in_part_is_overdue_with_the_rest() -> None:
    found = followed([_gap(3, 6)], {(GapKind.JOURNAL, "BUS-A-0001"): [(4, 4)]}, date(2026, 9, 16))
    assert [gap.missing for gap in found.overdue] == [((3, 3), (5, 6))]
    assert found.narrower == found.overdue


REMARKS = [
    Remark(RemarkKind.COUNTER_GAP, CARD, detail="7–7"),
    Remark(RemarkKind.JOURNAL_GAP, "BUS-A-0001", "bus-a", detail="3–9"),
    Remark(RemarkKind.JOURNAL_GAP, "BUS-X-0001", "", detail="1–1"),
    Remark(RemarkKind.CLOCK_WENT_BACK, "BUS-A-0001", detail="5: 2026-09-15 08:00:00 → 2026-09-15 07:00:00"),
]


def _opened(known: list[FollowedGap]) -> tuple[FollowedGap, ...]:
    calendar = calendar_named("china")
    return opened(REMARKS, known, window=2, keeper="card-company", calendar=calendar, today=TODAY)


def test_a_windows_remarks_open_gaps_with_owner_and_deadline() -> None:
    found = [(gap.kind, gap.subject, gap.first, gap.last, gap.owner, gap.deadline) for gap in _opened([])]
    # Sunday the 20th is worked, Friday the 25th and the first days of October are off.
    assert found == [
        (GapKind.CARD, CARD, 7, 7, "card-company", date(2026, 9, 29)),
        (GapKind.JOURNAL, "BUS-A-0001", 3, 9, "bus-a", date(2026, 9, 18)),
        (GapKind.JOURNAL, "BUS-X-0001", 1, 1, "card-company", date(2026, 9, 18)),
    ]


def test_what_is_followed_or_explained_already_is_not_opened_again() -> None:
    found = _opened([_gap(3, 5), _gap(8, 8)])
    assert [(gap.first, gap.last) for gap in found if gap.subject == "BUS-A-0001"] == [(6, 7), (9, 9)]


def test_numbers_that_two_purses_of_a_card_miss_are_one_gap() -> None:
    remarks = [REMARKS[0], REMARKS[0]]
    found = opened(remarks, [], window=2, keeper="c", calendar=calendar_named("china"), today=TODAY)
    assert [(gap.subject, gap.first, gap.last) for gap in found] == [(CARD, 7, 7)]


def test_the_case_of_a_gap_names_what_is_missing_and_moves_no_money() -> None:
    subject = subject_of(_gap(3, 9))
    assert (subject.id, subject.kind, subject.owner, subject.amount.minor) == (
        "gap:journal:BUS-A-0001:3-9",
        CaseKind.GAP,
        "bus-a",
        0,
    )
    assert "BUS-A-0001 3–9" in subject.detail


def test_cards_gaps_of_one_window_are_one_case() -> None:
    (card, *_) = _opened([])
    assert (card.case, subject_of(card).id) == ("gap:card:2", "gap:card:2")
