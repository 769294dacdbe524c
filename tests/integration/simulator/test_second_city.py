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


def test_a_ride_elsewhere_is_listed_until_it_has_come(city: Played) -> None:
    travelled = {str(each.id): each.claim.inputs.amount_minor for each in city.crossed.crossing.travelled}
    listed = {item.transaction: item.amount_minor for item in city.audit.items if item.transaction in travelled}
    assert listed == travelled
    assert {item.kind for item in city.audit.items if item.transaction in travelled} == {ItemKind.DEBIT_NOT_RECEIVED}
    left = {item.transaction for item in city.crossed.after.items}
    assert left.isdisjoint(travelled)
    assert city.crossed.before.explained
    assert city.crossed.after.explained
    assert city.crossed.before.ledger_minor - city.crossed.after.ledger_minor == sum(travelled.values())
