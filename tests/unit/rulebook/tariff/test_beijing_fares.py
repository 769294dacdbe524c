"""Beijing's published rules over the real network, by one tariff with and without the 100 m grace."""

import csv
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path

import pytest

from rulebook.calendar import BUSINESS_ZONE
from rulebook.money import ZERO, Amount, yuan
from rulebook.tariff import History, Ride, RiderClass, Tariff, load_tariff, price
from rulebook.tariff.demonstration import demonstration_document

PAIRS = Path(__file__).parents[3] / "data/tariff/beijing_od_derived_fares.csv"
NOON = datetime(2026, 9, 15, 12, tzinfo=BUSINESS_ZONE)  # a Tuesday
TARIFF = load_tariff(demonstration_document())
CODES: Mapping[str, str] = {station.name: code for code, station in TARIFF.stations.items()}


def ride(entry: str, exit_: str, *, at: datetime = NOON, charged_at: datetime | None = None) -> Ride:
    return Ride(
        entry=CODES[entry],
        exit=CODES[exit_],
        entered_at=at,
        charged_at=charged_at or at,
        rider_class=RiderClass.ORDINARY,
    )


def paid(trip: Ride, tariff: Tariff = TARIFF, history: History | None = None) -> Amount:
    return price(trip, tariff, history or History.none(trip.charged_at)).total


@pytest.mark.parametrize(
    ("grace", "column"), [(0, "fare_yuan_published_tiers"), (100, "fare_yuan_with_100m_grace")], ids=["tiers", "grace"]
)
def test_all_2079_pairs_come_out(grace: int, column: str) -> None:
    tariff = load_tariff(demonstration_document(grace_metres=grace))
    rows = list(csv.DictReader(PAIRS.read_text("utf-8").splitlines()))
    assert len(rows) == 2079
    wrong = [
        row
        for row in rows
        if paid(trip := ride(row["from_station"], row["to_station"]), tariff) != yuan(row[column])
        or [leg.metres for leg in tariff.network.legs(trip.entry, trip.exit)] != [int(row["shortest_metres"])]
    ]
    assert wrong == []


def test_the_way_back_costs_the_same() -> None:
    rows = list(csv.DictReader(PAIRS.read_text("utf-8").splitlines()))
    for row in rows[::20]:
        there, back = (row["from_station"], row["to_station"]), (row["to_station"], row["from_station"])
        assert paid(ride(*there)) == paid(ride(*back)), row


@pytest.mark.parametrize(
    ("metres", "grace", "fare"),
    [
        (6000, 0, 300),
        (6001, 0, 400),
        (6099, 100, 300),
        (6100, 100, 400),
        (12000, 0, 400),
        (12099, 100, 400),
        (12100, 100, 500),
        (92000, 0, 900),
        (92001, 0, 1000),
        (92100, 100, 1000),
        (0, 0, 300),
    ],
)
def test_both_sides_of_a_tier_edge(metres: int, grace: int, fare: int) -> None:
    assert load_tariff(demonstration_document(grace_metres=grace)).zones["main"].fare_minor(metres) == fare


@pytest.mark.parametrize(("metres", "fare"), [(20000, 1000), (20001, 2500), (30000, 2500), (30001, 3500)])
def test_the_daxing_airport_line_has_its_own_tiers_without_grace(metres: int, fare: int) -> None:
    assert TARIFF.zones["daxing-airport"].fare_minor(metres) == fare


@pytest.mark.parametrize(
    ("entry", "exit_", "amounts"),
    [
        ("2号航站楼", "北新桥", [2500]),
        ("3号航站楼", "2号航站楼", [2500]),
        ("2号航站楼", "国贸", [2500, 300]),
        ("大兴机场", "草桥", [3500]),
        ("大兴机场", "大兴新城", [2500]),
        ("大兴新城", "草桥", [1000]),
        ("香山", "巴沟", [400]),
        ("茶棚", "巴沟", [300]),
        ("三元桥", "东直门", [300]),
        ("东直门", "东直门", [300]),
    ],
)
def test_lines_with_fares_of_their_own_add_up_leg_by_leg(entry: str, exit_: str, amounts: list[int]) -> None:
    priced = price(ride(entry, exit_), TARIFF, History.none(NOON))
    assert [line.amount.minor for line in priced.lines] == amounts


EARLY = {"hour": 6, "minute": 59}


@pytest.mark.parametrize(
    ("entry", "moment", "yuan_paid"),
    [
        ("常营", NOON.replace(hour=6, minute=59, second=59), "2.50"),
        ("常营", NOON.replace(hour=7, minute=0), "5.00"),
        ("朝阳门", NOON.replace(**EARLY), "3.00"),
        ("常营", NOON.replace(day=13, **EARLY), "5.00"),  # a Sunday
        ("常营", NOON.replace(day=20, **EARLY), "2.50"),  # a Sunday worked for the October holiday
        ("常营", NOON.replace(day=25, **EARLY), "5.00"),  # a Friday off: Mid-Autumn
    ],
    ids=["06:59:59", "07:00", "other station", "Sunday", "worked Sunday", "holiday"],
)
def test_early_birds_of_25_stations_pay_half_on_working_days(entry: str, moment: datetime, yuan_paid: str) -> None:
    assert paid(ride(entry, "西单" if entry == "常营" else "建国门", at=moment)) == yuan(yuan_paid)


def test_the_early_bird_is_judged_by_the_entry_not_the_exit() -> None:
    entered = NOON.replace(hour=6, minute=59)
    assert paid(ride("常营", "西单", at=entered, charged_at=NOON.replace(hour=7, minute=40))) == yuan("2.50")


def test_there_are_25_early_bird_stations() -> None:
    early = next(discount for discount in TARIFF.discounts if discount.rule == 210)
    assert len(early.when.entries) == 25


def test_month_of_54_rides_of_8_yuan() -> None:
    """Case bj-month-8yuan-54rides of published_worked_fares.json: 287.20 in all, 104.00 for the first 13."""
    trip = next(
        candidate
        for row in csv.DictReader(PAIRS.read_text("utf-8").splitlines())
        if row["fare_yuan_with_100m_grace"] == "8"
        and paid(candidate := ride(row["from_station"], row["to_station"])) == yuan("8.00")
    )
    history, totals = History.none(NOON), [ZERO]
    for _ in range(54):
        priced = price(trip, TARIFF, history)
        history = history.after(priced.counted, at=NOON)
        totals.append(totals[-1] + priced.total)
    assert (totals[13], totals[54]) == (yuan("104.00"), yuan("287.20"))
    assert history.paid == totals[54]


@pytest.mark.parametrize(
    ("before", "expected"),
    [
        ("99.99", "5.00"),
        ("100.00", "4.00"),
        ("149.99", "4.00"),
        ("150.00", "2.50"),
        ("399.99", "2.50"),
        ("400", "5.00"),
    ],
)
def test_both_sides_of_each_month_tier(before: str, expected: str) -> None:
    history = History.none(NOON).after(yuan(before), at=NOON)
    assert paid(ride("常营", "西单"), history=history) == yuan(expected)


def test_a_month_ends_with_the_month() -> None:
    history = History.none(NOON).after(yuan("200"), at=NOON)
    october = NOON.replace(month=10)
    assert paid(ride("常营", "西单", at=october), history=history) == yuan("5.00")
    assert history.after(yuan("5.00"), at=october).paid == yuan("5.00")


def test_a_ride_over_midnight_at_the_months_end_counts_where_it_is_paid() -> None:
    history = History.none(NOON).after(yuan("200"), at=NOON)
    entered, left = NOON.replace(day=30, hour=23, minute=50), NOON.replace(month=10, day=1, hour=0, minute=10)
    assert paid(ride("常营", "西单", at=entered, charged_at=left), history=history) == yuan("5.00")


def test_the_airport_line_neither_has_nor_makes_month_tiers() -> None:
    history = History.none(NOON).after(yuan("150"), at=NOON)
    priced = price(ride("2号航站楼", "北新桥"), TARIFF, history)
    assert (priced.total, priced.counted) == (yuan("25.00"), ZERO)
