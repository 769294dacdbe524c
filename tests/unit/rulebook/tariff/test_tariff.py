"""The tariff document, bus fares, traces, and what always holds of a price."""

import copy
import json
from datetime import date, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rulebook.calendar import BUSINESS_ZONE
from rulebook.money import ZERO, Amount, Rounding, yuan
from rulebook.record import Step
from rulebook.tariff import (
    History,
    HistoryUnreadable,
    Language,
    MalformedTariff,
    NoFare,
    Ride,
    RiderClass,
    load_tariff,
    price,
)
from rulebook.tariff.demonstration import demonstration_document

NOON = datetime(2026, 9, 15, 12, tzinfo=BUSINESS_ZONE)
DOCUMENT = demonstration_document()
TARIFF = load_tariff(DOCUMENT)

moments = st.datetimes(datetime(2026, 1, 1), datetime(2026, 12, 31, 23)).map(  # noqa: DTZ001 — zone added here
    lambda moment: moment.replace(tzinfo=BUSINESS_ZONE)
)
stations = st.sampled_from([code for code in TARIFF.stations if not code.startswith("T1")])
bus_rides = st.builds(
    lambda at, rider_class: Ride(line="B101", entered_at=at, charged_at=at, rider_class=rider_class),
    moments,
    st.sampled_from(RiderClass),
)
metro_rides = st.builds(
    lambda entry, exit_, at, rider_class: Ride(
        entry=entry, exit=exit_, entered_at=at, charged_at=at, rider_class=rider_class
    ),
    stations,
    stations,
    moments,
    st.sampled_from(RiderClass),
)
rides = bus_rides | metro_rides
paid_before = st.integers(0, 50_000).map(Amount)


def bus(rider_class: RiderClass) -> Ride:
    return Ride(line="B101", entered_at=NOON, charged_at=NOON, rider_class=rider_class)


@pytest.mark.parametrize(
    ("rider_class", "total", "shares"),
    [
        (RiderClass.ORDINARY, "1.00", {"operator": "1.00"}),
        (RiderClass.STUDENT, "0.50", {"operator": "1.00", "concession-fund": "0.50"}),
        (RiderClass.ELDER, "0.20", {"operator": "1.00", "concession-fund": "0.80"}),
    ],
)
def test_a_bus_ride_names_who_bears_each_part(rider_class: RiderClass, total: str, shares: dict[str, str]) -> None:
    priced = price(bus(rider_class), TARIFF, History.none(NOON))
    assert priced.total == yuan(total)
    assert priced.full == yuan("2.00")
    assert priced.shares == {bearer: yuan(amount) for bearer, amount in shares.items()}


def test_the_trace_reads_in_both_languages_and_as_steps() -> None:
    priced = price(bus(RiderClass.STUDENT), TARIFF, History.none(NOON))
    assert priced.trace(Language.CHINESE) == (
        "规则100 公交单一票价：2.00元",
        "规则110 刷卡五折：-1.00元，由运营单位承担",
        "规则111 学生优惠：-0.50元，由concession-fund承担",
        "卡内扣款：0.50元",
    )
    assert priced.trace(Language.ENGLISH) == (
        "rule 100, bus flat fare: 2.00 yuan",
        "rule 110, half fare by card: -1.00 yuan, borne by operator",
        "rule 111, student concession: -0.50 yuan, borne by concession-fund",
        "charged to the card: 0.50 yuan",
    )
    assert priced.steps() == (Step(100, 200), Step(110, -100), Step(111, -50))
    assert [TARIFF.bearer_of(step.rule) for step in priced.steps()] == ["operator", "operator", "concession-fund"]


@given(rides, paid_before)
def test_what_all_pay_together_is_the_full_fare(ride: Ride, paid: Amount) -> None:
    priced = price(ride, TARIFF, History.none(ride.charged_at).after(paid, at=ride.charged_at))
    assert priced.total + sum(priced.shares.values(), ZERO) == priced.full
    assert ZERO <= priced.counted <= priced.total <= priced.full
    assert sum(step.amount_minor for step in priced.steps()) == priced.total.minor
    assert len(priced.steps()) <= 8  # what a record's trace can carry


@given(metro_rides, st.sampled_from(RiderClass), paid_before)
def test_same_trip_same_class_same_fare(ride: Ride, rider_class: RiderClass, paid: Amount) -> None:
    history = History.none(ride.charged_at).after(paid, at=ride.charged_at)
    fresh = load_tariff(json.loads(json.dumps(DOCUMENT)))
    assert price(ride, TARIFF, history) == price(copy.copy(ride), TARIFF, history)
    assert price(ride, fresh, history).steps() == price(ride, TARIFF, history).steps()


@pytest.mark.parametrize(
    "ride",
    [
        Ride(line="B999", entered_at=NOON, charged_at=NOON, rider_class=RiderClass.ORDINARY),
        Ride(entry="0101", exit="9999", entered_at=NOON, charged_at=NOON, rider_class=RiderClass.ORDINARY),
        Ride(entry="T101", exit="0101", entered_at=NOON, charged_at=NOON, rider_class=RiderClass.ORDINARY),
    ],
    ids=["unknown line", "unknown station", "tram outside the tariff"],
)
def test_a_ride_the_tariff_does_not_know_has_no_fare(ride: Ride) -> None:
    with pytest.raises(NoFare):
        price(ride, TARIFF, History.none(NOON))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"line": "B101", "entered_at": NOON.replace(tzinfo=None)}, "entered_at has no time zone"),
        ({"entry": "0101"}, "both entry and exit"),
        ({}, "a line or two stations"),
    ],
)
def test_half_a_ride_is_refused(arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Ride(**{"entered_at": NOON, "charged_at": NOON, "rider_class": RiderClass.ORDINARY, **arguments})


@pytest.mark.parametrize(
    ("code", "rider_class"),
    [(1, "ordinary"), (2, "student"), (3, "elder"), (4, "ordinary"), (0, "ordinary"), (255, "ordinary")],
)
def test_a_card_class_without_a_tariff_rides_at_the_ordinary_fare(code: int, rider_class: str) -> None:
    assert RiderClass.of_code(code) == rider_class


def test_rounding_is_the_tariffs() -> None:
    fares = {}
    for rounding in Rounding:
        document = copy.deepcopy(DOCUMENT) | {"rounding": rounding.value}
        next(d for d in document["discounts"] if d["rule"] == 112)["off"] = "1/3"
        fares[rounding] = price(bus(RiderClass.ELDER), load_tariff(document), History.none(NOON)).total.minor
    assert fares == {Rounding.DOWN: 67, Rounding.UP: 66, Rounding.HALF_UP: 67, Rounding.HALF_EVEN: 67}


@pytest.mark.parametrize(
    ("day", "in_force"),
    [(date(2025, 12, 31), False), (date(2026, 1, 1), True), (date(2026, 6, 30), True), (date(2026, 7, 1), False)],
)
def test_effective_dates_include_both_days(day: date, in_force: bool) -> None:
    assert load_tariff(DOCUMENT | {"effective_to": "2026-06-30"}).in_force_on(day) is in_force


def zone(document: dict[str, Any], code: str) -> dict[str, Any]:
    return next(zone for zone in document["zones"] if zone["code"] == code)


@pytest.mark.parametrize(
    ("change", "fault"),
    [
        (lambda d: d.update(version=0), "version:"),
        (lambda d: d.update(version="1"), "version:"),
        (lambda d: d.update(currency="XXX"), "currency:"),
        (lambda d: d.update(calendar="atlantis"), "no calendar is named atlantis"),
        (lambda d: d.update(colour="red"), "colour:"),
        (lambda d: d.pop("zones"), "zones:"),
        (lambda d: d.update(effective_to="2025-01-01"), "lies before effective_from"),
        (lambda d: d["lines"][0].update(number=256), "lines.0.number:"),
        (lambda d: d["lines"][0].update(zone="moon"), "moon is not declared"),
        (lambda d: d["lines"].append(d["lines"][0]), "lines.code: B101 is there more than once"),
        (lambda d: d["sections"][0].update(to_station="9999"), "9999 is not declared"),
        (lambda d: d["sections"][0].update(metres=12.5), "sections.0.metres:"),
        (lambda d: d["discounts"][0].update(off=0.5), "a rate is a text"),
        (lambda d: d["discounts"][0].update(off="3/2"), "less than or equal to 1"),
        (lambda d: d["discounts"][0].update(rule=100), "rule: 100 is there more than once"),
        (lambda d: zone(d, "bus")["tiers"][0].update(upto_metres=5), "only the last one be null"),
        (lambda d: zone(d, "main")["tiers"][1].update(upto_metres=1), "must rise"),
        (lambda d: zone(d, "bus").update(tiers=[]), "tiers:"),
    ],
)
def test_a_faulty_document_is_refused_and_the_fault_named(change: Any, fault: str) -> None:
    document = copy.deepcopy(DOCUMENT)
    change(document)
    with pytest.raises(MalformedTariff) as caught:
        load_tariff(document)
    assert any(fault in found for found in caught.value.faults), caught.value.faults


def test_every_fault_is_listed() -> None:
    with pytest.raises(MalformedTariff) as caught:
        load_tariff(DOCUMENT | {"version": 0, "currency": "XXX"})
    assert len(caught.value.faults) == 2


@given(st.recursive(st.none() | st.integers() | st.text(), lambda s: st.lists(s) | st.dictionaries(st.text(), s)))
def test_rubbish_raises_only_malformed_tariff(rubbish: Any) -> None:
    with pytest.raises(MalformedTariff):
        load_tariff(DOCUMENT | {"zones": rubbish})


@given(st.dates(date(2000, 1, 1), date(2099, 12, 31)), st.integers(0, 0xFFFFFF))
def test_the_cards_month_and_total_read_back(day: date, fen: int) -> None:
    at = datetime(day.year, day.month, day.day, 12, tzinfo=BUSINESS_ZONE)
    history = History.none(at).after(Amount(fen), at=at)
    assert History.from_card(history.card_month, history.card_paid_minor, at=at) == history


def test_a_new_card_has_paid_nothing() -> None:
    assert History.from_card("0000", 0, at=NOON) == History.none(NOON)


@pytest.mark.parametrize("month", ["2613", "2600", "26AA", ""])
def test_a_month_that_is_none_is_refused(month: str) -> None:
    with pytest.raises(HistoryUnreadable, match="YYMM"):
        History.from_card(month, 0, at=NOON)


def test_a_total_beyond_three_bytes_stays_at_the_largest() -> None:
    assert History.none(NOON).after(Amount(0x2000000), at=NOON).card_paid_minor == 0xFFFFFF
