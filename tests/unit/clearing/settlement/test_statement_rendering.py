"""Statements say what the result says, in bytes that do not change."""

from __future__ import annotations

import csv
import io
from datetime import datetime, timedelta
from typing import Any

from clearing.ledger.rules import Purpose
from clearing.participants.rules import demonstration
from clearing.settlement.charts import WIDTH, net_bars
from clearing.settlement.statements import PURPOSES, day_csv, day_rows, statement, statement_csv
from clearing.settlement.views import PositionView
from rulebook.calendar import BUSINESS_ZONE

MORNING = datetime(2026, 9, 15, 8, tzinfo=BUSINESS_ZONE)
NAMES = {participant.id: participant for participant in demonstration().participants}


def _result(town: Any) -> Any:
    town.tap(1, 0)
    town.classes[2] = "elder"
    town.tap(2, 0, card_class=3, amount=20)
    town.tap(1, 1, device="BUS-B-0001", line="B201", at=MORNING + timedelta(minutes=1))
    return town.settle()


def test_every_purpose_has_both_names() -> None:
    assert set(PURPOSES) == set(Purpose)


def test_an_operators_statement_has_its_fares_and_concessions(town: Any) -> None:
    made = statement(_result(town), participant="bus-a", book="transit", keeper="card-company")
    assert [(t.purpose, t.count, t.credit_minor) for t in made.totals] == [
        (Purpose.FARE, 2, 120),
        (Purpose.SUBSIDY, 1, 80),
    ]
    assert (made.debit_minor, made.credit_minor, made.net_minor) == (0, 200, 200)
    assert {line.counterparty for line in made.lines} == {"card-company", "concession-fund"}


def test_the_net_of_every_statement_is_the_position(town: Any) -> None:
    result = _result(town)
    for position in result.positions:
        keeper = demonstration().keepers[position.book]
        made = statement(result, participant=position.participant, book=position.book, keeper=keeper)
        assert made.net_minor == position.net_minor


def test_the_table_ends_with_the_net_and_reads_back(town: Any) -> None:
    raw = statement_csv(statement(_result(town), participant="bus-a", book="transit", keeper="card-company"))
    rows = list(csv.reader(io.StringIO(raw.decode("utf-8"))))
    assert len({len(row) for row in rows}) == 1
    assert rows[-1][-1] == "2.00"
    assert raw == statement_csv(statement(_result(town), participant="bus-a", book="transit", keeper="card-company"))


def test_each_book_of_the_day_ends_with_a_sum_of_nil(town: Any) -> None:
    result = _result(town)
    sums = [row for row in day_rows(result, NAMES) if not row[1]]
    assert [row[0] for row in sums] == ["medical:employee-fund", "transit"]
    assert {row[-1] for row in sums} == {"0.00"}
    assert day_csv(result, NAMES).decode("utf-8").count("\r\n") == len(result.positions) + 3


def _position(participant: str, net: int) -> PositionView:
    return PositionView(book="transit", participant=participant, debits_minor=0, credits_minor=0, net_minor=net)


def test_bars_lie_on_the_side_of_their_sign_and_the_largest_is_whole() -> None:
    bars = net_bars([_position("a", 99999), _position("b", -999), _position("c", 0)])
    assert [bar.width for bar in bars] == [WIDTH, round(WIDTH * 3 / 5), 0]
    assert [bar.x for bar in bars] == [WIDTH, WIDTH - bars[1].width, WIDTH]


def test_a_day_without_money_has_no_bars() -> None:
    assert [bar.width for bar in net_bars([_position("a", 0)])] == [0]
    assert net_bars([]) == []
