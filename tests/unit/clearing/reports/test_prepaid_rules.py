"""What is held for others, whether the float covers it, and when a quarter is reported."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clearing.ledger.accounts import Kind, Side
from clearing.reports.rendering import HEADER, HEIGHT, float_chart, quarter_csv
from clearing.reports.requirements import THRESHOLDS, requirements
from clearing.reports.rules import (
    FIGURE_OF,
    FIGURES,
    FLOWS,
    Figure,
    Flow,
    Movement,
    Part,
    Quarter,
    QuarterReport,
    daily,
)

DAY = date(2026, 9, 15)
# A medical fund's books are not prepaid cards.
_NOT_OF_CARDS = {
    *(Kind.FUND_AT_BANK, Kind.FUND_POOL, Kind.PERSONAL_ACCOUNT, Kind.HOSPITAL_PAYABLE),
    *(Kind.COLLECTIONS_AT_BANK, Kind.UTILITY_PAYABLE),
}


def moved(day: date, debit: Kind, credit: Kind, minor: int) -> list[Movement]:
    return [Movement(day, debit, minor, 0), Movement(day, credit, 0, minor)]


def test_every_account_of_the_transit_book_is_in_one_figure() -> None:
    assert set(FIGURE_OF) == set(Kind) - _NOT_OF_CARDS
    assert sum(len(rule.kinds) for rule in FIGURES.values()) == len(FIGURE_OF)
    assert set(FIGURES) == set(Figure)
    assert set(FLOWS) == set(Flow)


_KINDS = st.sampled_from(sorted(FIGURE_OF))
_MOVES = st.lists(st.tuples(st.integers(-3, 3), _KINDS, _KINDS, st.integers(1, 10**9)), max_size=20)


@given(moves=_MOVES)
def test_surplus_is_the_companys_own_less_what_agents_owe(moves: list[tuple[int, Kind, Kind, int]]) -> None:
    every = [m for ago, debit, credit, minor in moves for m in moved(DAY + timedelta(days=ago), debit, credit, minor)]
    for report in daily(every, DAY - timedelta(days=1), DAY + timedelta(days=1)):
        assert report.surplus_minor == report.balances[Figure.OWN] - report.balances[Figure.CREDIT]
        until = [m for m in every if m.business_day <= report.business_day]
        for figure, rule in FIGURES.items():
            net = sum(m.credits - m.debits for m in until if m.kind in rule.kinds)
            assert report.balances[figure] == (net if rule.side is Side.CREDIT else -net)


@pytest.mark.parametrize(
    ("moves", "cover", "covered"),
    [
        ([], None, True),
        ([(Kind.FLOAT_AT_BANK, Kind.AGENT_PREFUNDED, 1000)], 10_000, True),
        ([(Kind.AGENT_WITH_LIMIT, Kind.VALUE_ON_CARDS, 1000)], 0, False),
        (
            [
                (Kind.FLOAT_AT_BANK, Kind.AGENT_PREFUNDED, 9999),
                (Kind.AGENT_WITH_LIMIT, Kind.VALUE_ON_CARDS, 1),
            ],
            9_999,
            False,
        ),
        # A concession is owed by the fund and not by the float.
        (
            [
                (Kind.FLOAT_AT_BANK, Kind.VALUE_ON_CARDS, 500),
                (Kind.VALUE_ON_CARDS, Kind.OPERATOR_PAYABLE, 100),
                (Kind.SUBSIDY_RECEIVABLE, Kind.OPERATOR_PAYABLE, 50),
            ],
            10_000,
            True,
        ),
        ([(Kind.FLOAT_AT_BANK, Kind.DEPOSITS_ON_CARDS, 200), (Kind.DEPOSITS_ON_CARDS, Kind.FEES, 50)], 13_333, True),
    ],
)
def test_the_float_covers_all_that_others_own(
    moves: list[tuple[Kind, Kind, int]], cover: int | None, covered: bool
) -> None:
    (report,) = daily([m for move in moves for m in moved(DAY, *move)], DAY, DAY)
    assert (report.cover, report.covered) == (cover, covered)


def test_a_days_flows_are_its_own() -> None:
    yesterday = DAY - timedelta(days=1)
    every = [
        *moved(yesterday, Kind.OPERATOR_PAYABLE, Kind.REFUNDS_OWED, 70),
        *moved(DAY, Kind.OPERATOR_PAYABLE, Kind.REFUNDS_OWED, 30),
        *moved(DAY, Kind.REFUNDS_OWED, Kind.FLOAT_AT_BANK, 45),
        *moved(DAY, Kind.FLOAT_AT_BANK, Kind.DEPOSITS_ON_CARDS, 2000),
        *moved(DAY + timedelta(days=1), Kind.DEPOSITS_ON_CARDS, Kind.FLOAT_AT_BANK, 2000),
    ]
    first, second, third = daily(every, yesterday, DAY + timedelta(days=1))
    flows = {Flow.REFUNDS_ARISEN: 30, Flow.REFUNDS_MADE: 45, Flow.DEPOSITS_TAKEN: 2000, Flow.DEPOSITS_RETURNED: 0}
    assert second.flows == flows
    assert [day.balances[Figure.REFUNDS] for day in (first, second, third)] == [70, 55, 55]
    assert third.flows[Flow.DEPOSITS_RETURNED] == 2000
    quarter = QuarterReport(Quarter(2026, 3), (first, second, third))
    assert quarter.flows[Flow.REFUNDS_ARISEN] == 100
    assert quarter.average_float_minor == (0 + 1955 - 45) // 3


@pytest.mark.parametrize(
    ("day", "name", "first", "last", "due"),
    [
        (date(2026, 1, 1), "2026Q1", date(2026, 1, 1), date(2026, 3, 31), date(2026, 4, 25)),
        (date(2026, 9, 15), "2026Q3", date(2026, 7, 1), date(2026, 9, 30), date(2026, 10, 25)),
        (date(2026, 12, 31), "2026Q4", date(2026, 10, 1), date(2026, 12, 31), date(2027, 1, 25)),
    ],
)
def test_a_quarter_is_due_on_the_25th_after_it(day: date, name: str, first: date, last: date, due: date) -> None:
    quarter = Quarter.of(day)
    assert (str(quarter), quarter.first, quarter.last, quarter.due) == (name, first, last, due)
    assert Quarter.parse(name) == quarter


@pytest.mark.parametrize(
    ("quarter", "today", "days"),
    [
        ("2026Q3", date(2026, 9, 17), (15, 16, 17)),  # the books begin on the 15th
        ("2026Q3", date(2026, 10, 2), tuple(range(15, 31))),
        ("2026Q4", date(2026, 10, 2), (1, 2)),
        ("2026Q2", date(2026, 9, 17), ()),
        ("2026Q4", date(2026, 9, 17), ()),
    ],
)
def test_a_quarter_has_the_days_of_which_there_are_books(quarter: str, today: date, days: tuple[int, ...]) -> None:
    opening = moved(DAY, Kind.FLOAT_AT_BANK, Kind.AGENT_PREFUNDED, 1000)
    report = QuarterReport.of(Quarter.parse(quarter), opening, today=today)
    assert tuple(day.business_day.day for day in report.days) == days
    assert report.average_float_minor == (1000 if days else 0)


@pytest.mark.parametrize("text", ["", "2026", "2026Q5", "26Q1", "2026Q03", "二〇二六Q1"])
def test_what_is_no_quarter_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="write it like 2026Q3"):
        Quarter.parse(text)


def test_every_threshold_cites_a_requirement_that_is_there() -> None:
    known: Mapping[str, object] = requirements()
    assert all(threshold.requirement in known for threshold in THRESHOLDS)
    assert all(requirement.source for requirement in requirements().values())


def test_parts_say_what_the_float_must_cover() -> None:
    asked = {figure for figure, rule in FIGURES.items() if rule.part in (Part.HOLDERS, Part.IN_TRANSIT)}
    assert asked == set(Figure) - {Figure.FLOAT, Figure.CREDIT, Figure.OWN}


def test_a_quarter_as_csv_and_as_a_picture() -> None:
    every = [
        *moved(DAY, Kind.FLOAT_AT_BANK, Kind.AGENT_PREFUNDED, 400),
        *moved(DAY, Kind.AGENT_WITH_LIMIT, Kind.VALUE_ON_CARDS, 400),
    ]
    days = daily(every, DAY - timedelta(days=1), DAY)
    report = QuarterReport(Quarter.of(DAY), days)
    lines = quarter_csv(report).split("\r\n")
    assert lines[0].split(",") == list(HEADER)
    assert lines[1] == "2026-09-14,0,0,0,0,0,0,0,0,0,0,0,,0,0,0,0"
    assert lines[2] == "2026-09-15,400,400,0,0,0,400,0,400,0,800,-400,5000,0,0,0,0"
    chart = float_chart(days)
    assert (chart.top_minor, chart.uncovered) == (800, (900,))
    assert (chart.float_points, chart.required_points) == (f"0,{HEIGHT} 900,{HEIGHT // 2}", f"0,{HEIGHT} 900,0")
    assert float_chart(()).float_points == ""
