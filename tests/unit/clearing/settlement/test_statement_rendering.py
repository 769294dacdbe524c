"""Statements say what the result says, in bytes that do not change."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

from clearing.ledger.rules import Purpose, Transfer
from clearing.participants.rules import demonstration
from clearing.settlement.charts import WIDTH, net_bars
from clearing.settlement.model import Position
from clearing.settlement.positions import Nature, add_to_nil
from clearing.settlement.rules import Opening
from clearing.settlement.statements import PURPOSES, day_csv, day_rows, statement, statement_csv
from clearing.settlement.views import PositionView
from rulebook.calendar import BUSINESS_ZONE
from rulebook.money import Amount

MORNING = datetime(2026, 9, 15, 8, tzinfo=BUSINESS_ZONE)
NAMES = {participant.id: participant for participant in demonstration().participants}


def _result(town: Any) -> Any:
    town.tap(1, 0)
    town.classes[2] = "elder"
    town.tap(2, 0, card_class=3, amount=20)
    town.tap(1, 1, device="BUS-B-0001", line="B201", at=MORNING + timedelta(minutes=1))
    return town.window()


def test_every_purpose_has_both_names() -> None:
    assert set(PURPOSES) == set(Purpose)


def test_an_operators_statement_has_its_fares_and_concessions(town: Any) -> None:
    made = statement(_result(town), participant="bus-a", book="transit", keeper="card-company")
    assert [(t.nature, t.purpose, t.count, t.credit_minor) for t in made.totals] == [
        (Nature.DUE, Purpose.FARE, 2, 120),
        (Nature.DUE, Purpose.SUBSIDY, 1, 80),
    ]
    assert (made.debit_minor, made.credit_minor, made.net_minor) == (0, 200, 200)
    assert {line.counterparty for line in made.lines} == {"card-company", "concession-fund"}


def _prefunded(town: Any) -> Any:
    """The agent had 40.00 left, pays in 50.00 and sells loads for 20.00; another one has a limit and sells for 30.00."""
    balances = {("transit", "agent-1"): 4000, ("transit", "card-company"): -4000}
    return town.window(online=tuple(_of_agents()), opening=Opening(balances=balances))


def _of_agents() -> Iterator[Transfer]:
    for id_, purpose, debit, credit, minor in (
        ("pay-in", Purpose.PREFUNDING, "float-at-bank", "agent-prefunded:agent-1", 5000),
        ("load-1", Purpose.LOAD, "agent-prefunded:agent-1", "value-on-cards", 2000),
        ("load-2", Purpose.LOAD, "agent-with-limit:agent-2", "value-on-cards", 3000),
    ):
        yield Transfer(
            id=id_,
            book="transit",
            debit=debit,
            credit=credit,
            amount=Amount(minor),
            purpose=purpose,
            business_day=MORNING.date(),
        )


def test_prepaid_money_is_a_balance_and_not_to_be_settled(town: Any) -> None:
    town.tap(1, 0)
    result = _prefunded(town)
    positions = {p.participant: p for p in result.positions if p.book == "transit"}
    assert positions["agent-1"] == Position(
        "transit", "agent-1", opening_minor=4000, paid_minor=5000, prepaid_minor=-2000
    )
    assert (positions["agent-1"].net_minor, positions["agent-1"].closing_minor) == (0, 7000)
    assert (positions["agent-2"].net_minor, positions["agent-2"].closing_minor) == (-3000, -3000)
    # The card company gets the limit agent's loads and owes the fare; the float it holds is no claim on anybody.
    assert positions["card-company"].net_minor == 3000 - 100
    assert positions["card-company"].closing_minor == -4000 - 5000 + 2000 + 3000 - 100
    assert add_to_nil(result.positions)


def test_a_prepaid_agents_statement_leads_from_balance_to_balance(town: Any) -> None:
    made = statement(_prefunded(town), participant="agent-1", book="transit", keeper="card-company")
    rows = list(csv.reader(io.StringIO(statement_csv(made).decode("utf-8"))))
    assert [(row[0].split()[0], row[3], row[5], row[-3], row[-2], row[-1]) for row in rows[1:]] == [
        ("期初", "", "", "", "", "40.00"),
        ("3", "prefunding", "paid", "0.00", "50.00", "90.00"),
        ("1", "load", "prepaid", "20.00", "0.00", "70.00"),
        ("合计", "", "", "20.00", "50.00", ""),
        ("期末", "", "", "", "", "70.00"),
        ("净额", "", "", "", "", "0.00"),
    ]


def test_every_row_of_the_day_leads_from_opening_to_closing(town: Any) -> None:
    town.tap(1, 0)
    for *_, opening, paid, prepaid, debit, credit, net, closing in day_rows(_prefunded(town), NAMES):
        assert Decimal(opening) + Decimal(paid) + Decimal(prepaid) + Decimal(net) == Decimal(closing)
        assert Decimal(credit) - Decimal(debit) == Decimal(net)


def test_the_balances_of_every_statement_are_the_positions(town: Any) -> None:
    town.tap(1, 0)
    result = _prefunded(town)
    for position in result.positions:
        keeper = demonstration().keepers[position.book]
        made = statement(result, participant=position.participant, book=position.book, keeper=keeper)
        assert made.net_minor == position.net_minor
        assert made.closing_minor == position.closing_minor


def test_the_table_ends_with_the_net_and_reads_back(town: Any) -> None:
    raw = statement_csv(statement(_result(town), participant="bus-a", book="transit", keeper="card-company"))
    rows = list(csv.reader(io.StringIO(raw.decode("utf-8"))))
    assert len({len(row) for row in rows}) == 1
    assert rows[-1][-1] == "2.00"
    assert raw == statement_csv(statement(_result(town), participant="bus-a", book="transit", keeper="card-company"))


def test_each_book_of_the_day_ends_with_a_sum_of_nil(town: Any) -> None:
    result = _result(town)
    sums = [row for row in day_rows(result, NAMES) if not row[1]]
    assert [row[0] for row in sums] == ["medical:employee-fund", "transit", "utilities"]
    assert {(row[-2], row[-1]) for row in sums} == {("0.00", "0.00")}
    assert day_csv(result, NAMES).decode("utf-8").count("\r\n") == 1 + len(result.positions) + len(sums)


def _position(participant: str, net: int) -> PositionView:
    moved = {"opening_minor": 0, "paid_minor": 0, "prepaid_minor": 0, "debits_minor": 0, "credits_minor": 0}
    return PositionView(book="transit", participant=participant, net_minor=net, closing_minor=net, **moved)


def test_bars_lie_on_the_side_of_their_sign_and_the_largest_is_whole() -> None:
    bars = net_bars([_position("a", 99999), _position("b", -999), _position("c", 0)])
    assert [bar.width for bar in bars] == [WIDTH, round(WIDTH * 3 / 5), 0]
    assert [bar.x for bar in bars] == [WIDTH, WIDTH - bars[1].width, WIDTH]


def test_a_day_without_money_has_no_bars() -> None:
    assert [bar.width for bar in net_bars([_position("a", 0)])] == [0]
    assert net_bars([]) == []
