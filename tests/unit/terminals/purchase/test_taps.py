"""Taps on a bus and at gates that go well, and those refused before money is asked for."""

from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest

from card_os.profile.transit import TRANSIT_PROCESS, TransitState, checksum
from rulebook.messages.devices import DenyEntry, Parameters
from rulebook.record import Event, Kind, Outcome, Step, Verdict
from rulebook.tariff import load_tariff
from rulebook.tariff.demonstration import demonstration_document
from terminals.dialogues.context import Rules
from terminals.dialogues.purchase import Ending
from terminals.dialogues.refusals import Refusal


def test_a_bus_ride_is_paid_journaled_and_proven(city: Any, noon: datetime) -> None:
    card = city.card(balance=5000)
    result = city.bus().tap(card.reader, noon)
    assert (result.ending, result.gate_open) == (Ending.PAID, True)
    assert (result.amount.minor, result.balance_minor, card.balance) == (100, 4900, 4900)
    intent, outcome = city.records()
    assert (intent.kind, intent.event, intent.outcome) == (Kind.INTENT, Event.RIDE, Outcome.NONE)
    assert (outcome.kind, outcome.outcome, outcome.refers_to) == (Kind.OUTCOME, Outcome.DONE, 1)
    assert outcome.mac2_verdict is Verdict.RIGHT
    assert card.proves(outcome)
    assert outcome.trace == (Step(100, 200), Step(110, -100))
    assert (outcome.line, outcome.place, outcome.trip) == ("B101", "BUS-0012", "0001")
    assert (outcome.tariff_version, outcome.list_version, outcome.software_version) == (1, 7, 1)
    assert outcome.capp_before == outcome.capp_after == intent.capp_before
    assert city.journal.pending_intents() == ()


@pytest.mark.parametrize(("card_class", "fen"), [(1, 100), (2, 50), (3, 20), (5, 100)])
def test_the_rider_class_on_the_card_prices_the_ride(city: Any, noon: datetime, card_class: int, fen: int) -> None:
    assert city.bus().tap(city.card(card_class=card_class).reader, noon).amount.minor == fen


def test_a_metro_trip_enters_for_nothing_and_pays_at_the_exit(city: Any, noon: datetime) -> None:
    card = city.card()
    entered = city.gate("0101").enter(card.reader, noon)
    assert (entered.ending, entered.amount.minor) == (Ending.PAID, 0)
    assert (card.process.state, card.process.entry_station) == (TransitState.ENTERED, b"0101".ljust(8, b"\x00"))
    left = city.gate("0115").leave(card.reader, noon + timedelta(minutes=40))
    assert (left.ending, left.amount.minor, card.balance) == (Ending.PAID, 500, 4500)
    assert (card.process.state, card.process.exit_time) == (TransitState.EXITED, "20260915124000")
    assert (card.process.month, card.process.month_paid_minor) == ("2609", 500)
    records = city.records()
    assert [(r.event, r.kind) for r in records] == [
        (Event.ENTRY, Kind.INTENT),
        (Event.ENTRY, Kind.OUTCOME),
        (Event.EXIT, Kind.INTENT),
        (Event.EXIT, Kind.OUTCOME),
    ]
    assert all(card.proves(r) for r in records if r.kind is Kind.OUTCOME)
    assert records[1].capp_after == records[2].capp_before
    assert [r.card_sequence for r in records] == [0, 0, 1, 1]


def test_month_tiers_are_carried_by_the_card(city: Any, noon: datetime) -> None:
    """0101 to 0115 costs 5 yuan: 20 rides to 100, then 4 each (13 to 150 passed), then 2.50."""
    card, paid = city.card(balance=20000), []
    for _ in range(35):
        city.gate("0101").enter(card.reader, noon)
        paid.append(city.gate("0115").leave(card.reader, noon + timedelta(minutes=40)).amount.minor)
    assert paid == [500] * 20 + [400] * 13 + [250] * 2
    assert card.process.month_paid_minor == sum(paid) == 20000 - card.balance


def test_gates_seal_the_trip_with_its_crc(city: Any, noon: datetime) -> None:
    card = city.card()
    city.gate("0101").enter(card.reader, noon)
    entered = card.process
    city.gate("0115").leave(card.reader, noon + timedelta(minutes=40))
    for process in (entered, card.process):
        assert process.crc == checksum(TRANSIT_PROCESS.encode(process)) != 0
    assert entered.crc != card.process.crc


@pytest.mark.parametrize("crc", [0, 0xFFFFFFFF], ids=["none written", "wrong"])
def test_a_trip_without_the_right_crc_is_left_and_paid_like_any_other(city: Any, noon: datetime, crc: int) -> None:
    """Cities differ in it, and a rider must not stay inside for it."""
    card = city.card()
    city.gate("0101").enter(card.reader, noon)
    card.write_process(TRANSIT_PROCESS.encode(replace(card.process, crc=crc)))
    left = city.gate("0115").leave(card.reader, noon + timedelta(minutes=40))
    assert (left.ending, left.amount.minor, card.balance) == (Ending.PAID, 500, 4500)
    assert card.process.crc == checksum(TRANSIT_PROCESS.encode(card.process))
    outcome = city.records()[-1]
    assert int.from_bytes(outcome.capp_before[-4:], "big") == crc, "the record shows what stood there"


def test_a_bus_ride_leaves_an_open_metro_trip_alone(city: Any, noon: datetime) -> None:
    card = city.card()
    city.gate("0101").enter(card.reader, noon)
    before = card.process
    assert city.bus().tap(card.reader, noon).gate_open
    assert card.process == before


REFUSED_ON_A_BUS = [
    (Refusal.EXPIRED, {"valid": ("20200101", "20260914")}),
    (Refusal.NOT_YET_VALID, {"valid": ("20260916", "20361231")}),
    (Refusal.LOCKED, {"lock": 1}),
    (Refusal.CITY_NOT_ACCEPTED, {"city": "3310"}),
    (Refusal.TOO_LITTLE_MONEY, {"balance": 99}),
    (Refusal.TOO_LITTLE_MONEY, {"balance": 0}),
]


@pytest.mark.parametrize(("refusal", "card"), REFUSED_ON_A_BUS, ids=lambda value: str(value))
def test_a_refused_card_keeps_its_money_and_the_door_shut(
    city: Any, noon: datetime, refusal: Refusal, card: dict[str, Any]
) -> None:
    refused = city.card(**card)
    balance = refused.balance
    result = city.bus().tap(refused.reader, noon)
    assert (result.ending, result.refusal, result.gate_open) == (Ending.REFUSED, refusal, False)
    assert refused.balance == balance
    assert city.records() == ()


@pytest.mark.parametrize("day", ["20260915"])
def test_a_card_is_good_on_its_first_and_last_day(city: Any, noon: datetime, day: str) -> None:
    assert city.bus().tap(city.card(valid=(day, day)).reader, noon).gate_open


def test_the_last_fen_pays(city: Any, noon: datetime) -> None:
    card = city.card(balance=100)
    assert city.bus().tap(card.reader, noon).gate_open
    assert card.balance == 0


def test_a_denied_card_is_refused_at_a_gate(city: Any, noon: datetime) -> None:
    card, other = city.card(17), city.card(18)
    gate = city.gate(rules=city.rules(card))
    result = gate.enter(card.reader, noon)
    assert (result.refusal, result.gate_open) == (Refusal.DENIED, False)
    assert card.process.state == TransitState.INITIAL
    assert city.records() == ()
    assert gate.enter(other.reader, noon).gate_open


def test_a_terminal_with_an_old_list_takes_no_card(city: Any, noon: datetime) -> None:
    gate = city.gate(rules=city.rules(received_at=noon - timedelta(hours=25)))
    assert gate.enter(city.card().reader, noon).refusal is Refusal.LIST_TOO_OLD


def test_precedence_is_the_declared_order(city: Any, noon: datetime) -> None:
    """Expired, denied, locked, foreign and without money: the first declared reason is said."""
    card = city.card(valid=("20200101", "20260914"), lock=1, city="3310", balance=0)
    assert city.bus(city.rules(card)).tap(card.reader, noon).refusal is Refusal.EXPIRED
    card = city.card(18, lock=1, city="3310", balance=0)
    assert city.bus(city.rules(card)).tap(card.reader, noon).refusal is Refusal.DENIED
    assert city.bus().tap(card.reader, noon).refusal is Refusal.LOCKED
    assert (
        list(Refusal).index(Refusal.EXPIRED) < list(Refusal).index(Refusal.DENIED) < list(Refusal).index(Refusal.LOCKED)
    )


def test_nobody_leaves_who_has_not_entered(city: Any, noon: datetime) -> None:
    card = city.card()
    assert city.gate().leave(card.reader, noon).refusal is Refusal.NOT_INSIDE


def test_nobody_enters_twice_and_the_last_debit_is_reported(city: Any, noon: datetime) -> None:
    card = city.card()
    city.gate("0101").enter(card.reader, noon)
    result = city.gate("0115").enter(card.reader, noon)
    assert (result.refusal, result.gate_open) == (Refusal.ALREADY_INSIDE, False)
    _, outcome, finding = city.records()
    assert (finding.kind, finding.event, finding.tac) == (Kind.FINDING, Event.ENTRY, outcome.tac)
    assert finding.purchase_id == outcome.purchase_id


def test_too_little_money_to_enter_a_network(city: Any, noon: datetime) -> None:
    assert city.gate().enter(city.card(17, balance=299).reader, noon).refusal is Refusal.TOO_LITTLE_MONEY
    assert city.gate().enter(city.card(18, balance=300).reader, noon).gate_open


def test_money_must_reach_for_the_whole_fare_at_the_exit(city: Any, noon: datetime) -> None:
    card = city.card(balance=499)
    city.gate("0101").enter(card.reader, noon)
    result = city.gate("0115").leave(card.reader, noon + timedelta(minutes=40))
    assert (result.refusal, card.balance) == (Refusal.TOO_LITTLE_MONEY, 499)
    card.load(1)
    assert city.gate("0115").leave(card.reader, noon + timedelta(minutes=50)).gate_open


@pytest.mark.parametrize("permanent", [False, True], ids=["temporary", "permanent"])
def test_an_application_the_issuer_blocked_is_locked(city: Any, noon: datetime, permanent: bool) -> None:
    card = city.card()
    card.block(permanent=permanent)
    result = city.bus().tap(card.reader, noon)
    assert (result.ending, result.refusal) == (Ending.REFUSED, Refusal.LOCKED)


def test_rules_come_from_the_parameters_clearing_answers(city: Any, noon: datetime) -> None:
    card = city.card()
    denied = DenyEntry(issuer=bytes.fromhex("01991000FFFFFFFF"), serial=card.serial, reported_at=noon)
    sent = Parameters(tariff_version=4, tariff=demonstration_document(version=4), list_version=9, deny_list=[denied])
    rules = Rules.of(sent, received_at=noon)
    assert (rules.tariff.version, rules.deny_list.version, rules.deny_list.received_at) == (4, 9, noon)
    assert city.bus(rules).tap(card.reader, noon).refusal is Refusal.DENIED
    assert city.bus(rules).tap(city.card(18).reader, noon).gate_open
    assert city.records()[-1].tariff_version == 4


def test_a_price_with_more_steps_than_a_record_explains_is_no_fare(city: Any, noon: datetime) -> None:
    document = demonstration_document()
    bus = next(line["zone"] for line in document["lines"] if line["code"] == "B101")
    for rule in range(900, 908):
        name = {"zh": "减", "en": "off"}
        document["discounts"].append({"rule": rule, "name": name, "zones": [bus], "off": "0.01", "bearer": "operator"})
    rules = Rules(load_tariff(document), city.rules().deny_list)
    card = city.card()
    assert city.bus(rules).tap(card.reader, noon).refusal is Refusal.NO_FARE
    assert card.balance == 5000


def test_a_card_of_another_kind_is_named(city: Any, noon: datetime) -> None:
    assert city.bus().tap(city.sam, noon).refusal is Refusal.NO_TRANSIT_APPLICATION


def test_outside_the_tariffs_dates_there_is_no_fare(city: Any, noon: datetime) -> None:
    long_before = noon.replace(year=2025)
    gate = city.gate(rules=city.rules(received_at=long_before))
    card = city.card(valid=("20200101", "20361231"))
    assert gate.enter(card.reader, long_before).refusal is Refusal.NO_FARE
