"""Cards of two cities cross on the evening of the demonstration, and both clearings come to the same."""

from __future__ import annotations

from simulator.city.auditor import ItemKind
from simulator.city.crossing import RIDES_EACH, TRAVELLERS, VISITORS
from simulator.city.neighbour import NAME
from simulator.city.run import Played


def test_everybody_who_crossed_has_paid(city: Played) -> None:
    crossing = city.crossed.crossing
    assert (crossing.visits, crossing.travels) == (VISITORS * RIDES_EACH, TRAVELLERS)


def test_both_cities_come_to_the_same(city: Played) -> None:
    crossing = city.crossed.crossing
    assert city.crossed.differences() == []
    assert min(crossing.office.owes_minor, crossing.office.owed_minor) > 0
    assert city.crossed.ledger == {NAME: crossing.owed_minor}


def test_the_day_has_the_other_citys_statement(city: Played) -> None:
    """What its office claimed before our close is paid to it with this window."""
    (position,) = [p for p in city.window["positions"] if p["participant"] == NAME]
    travelled = [each.claim.inputs.amount_minor for each in city.crossed.crossing.travelled]
    assert position["net_minor"] == sum(travelled[:-1]) > 0
    paid = {
        leg["participant"]: leg["done_minor"] for money in city.money for book in money.books for leg in book["legs"]
    }
    assert paid[NAME] == position["net_minor"]


def test_a_ride_elsewhere_is_listed_until_it_has_come(city: Played) -> None:
    *arrived, late = city.crossed.crossing.travelled
    listed = {item.transaction: (item.kind, item.amount_minor) for item in city.audit.items}
    assert listed[str(late.id)] == (ItemKind.DEBIT_NOT_RECEIVED, late.claim.inputs.amount_minor)
    assert listed.keys().isdisjoint({str(each.id) for each in arrived})
    assert {item.transaction for item in city.crossed.after.items}.isdisjoint({str(late.id)})
    assert city.crossed.before.explained
    assert city.crossed.after.explained
    assert city.crossed.before.ledger_minor - city.crossed.after.ledger_minor == late.claim.inputs.amount_minor
