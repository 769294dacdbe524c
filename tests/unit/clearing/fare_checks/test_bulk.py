"""A column of records is priced as each of them alone would be."""

from __future__ import annotations

from dataclasses import replace
from functools import cache
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from card_os.profile.transit import TRANSIT_PROCESS, TransitProcess
from clearing.fare_checks.bulk import Repricer
from clearing.fare_checks.rules import NotPriceable, reprice
from rulebook.record import Event, Kind, Record
from rulebook.record.columns import RECORD_DTYPE
from rulebook.tariff import PricedFare, Tariff, load_tariff
from rulebook.tariff.demonstration import demonstration_document


@cache
def tariffs() -> dict[int, Tariff]:
    return {version: load_tariff(demonstration_document(version=version)) for version in (1, 2)}


def stations() -> list[str]:
    codes = sorted(tariffs()[1].stations)
    early = [entry for discount in tariffs()[1].discounts for entry in discount.when.entries]
    return [*codes[:: len(codes) // 12], *early[:3]]


WHEN = [discount.when for discount in tariffs()[1].discounts]


def month_totals() -> st.SearchStrategy[int]:
    bounds = {w.month_paid_from_minor for w in WHEN} | {w.month_paid_below_minor for w in WHEN}
    edges = sorted(bound for bound in bounds if bound is not None)
    return st.sampled_from([0, *(edge + step for edge in edges for step in (-1, 0, 1)), 0xFFFFFF])


CLOCKS = ("000000", "045959", "065959", "070000", "070001", "235959", "240000", "126060", "ABCDEF")
DAYS = (
    "20260915",
    "20260919",
    "20261001",
    "20260930",
    "20260229",
    "20240229",
    "19700101",
    "00000000",
    "20261301",
    "2026091A",
)


@st.composite
def records(draw: st.DrawFn) -> Record:
    on_exit = draw(st.booleans())
    known = st.sampled_from([*stations(), "NOWHERE", ""])
    process = bytearray(TRANSIT_PROCESS.encode(TransitProcess(month_paid_minor=draw(month_totals()))))
    written = {
        "entry_station": draw(known).encode().ljust(8, b"\x00"),
        "entry_time": bytes.fromhex(draw(st.sampled_from(DAYS)) + draw(st.sampled_from(CLOCKS))),
        "month": bytes.fromhex(draw(st.sampled_from(["0000", "2609", "2608", "2610", "2699", "26A9"]))),
    }
    for name, value in written.items():
        process[TRANSIT_PROCESS.span(name)] = value
    lines = [*sorted(tariffs()[1].lines)[:6], "XX", ""]
    return Record(
        kind=Kind.INTENT,
        event=Event.EXIT if on_exit else Event.RIDE,
        device="D-1",
        journal_sequence=draw(st.integers(1, 99)),
        line="" if on_exit else draw(st.sampled_from(lines)),
        place=draw(known) + draw(st.sampled_from(["", "", "", "-MORE"])) if on_exit else "",
        issuer=bytes(8),
        serial=bytes(10),
        card_class=draw(st.sampled_from([0, 1, 2, 3, 4, 255])),
        key_version=1,
        algorithm=0,
        transaction_type=9,
        amount_minor=draw(st.integers(0, 900)),
        balance_before_minor=5000,
        card_sequence=1,
        sam_terminal=bytes(6),
        date=bytes.fromhex(draw(st.sampled_from(DAYS))),
        time=bytes.fromhex(draw(st.sampled_from(CLOCKS))),
        capp_before=draw(st.sampled_from([bytes(process)] * 9 + [b""])),
        tariff_version=draw(st.sampled_from([1, 1, 1, 2, 9])),
    )


def columns(rows: list[Record]) -> Any:
    return np.frombuffer(b"".join(row.encode() for row in rows), dtype=RECORD_DTYPE)


def alone(row: Record) -> PricedFare | str:
    try:
        return reprice(row, tariffs())
    except NotPriceable as why:
        return str(why)


@settings(max_examples=150, deadline=None)
@given(st.lists(records(), max_size=30))
def test_equal_to_one_by_one(rows: list[Record]) -> None:
    repriced = Repricer(tariffs()).reprice(columns(rows))
    got = [repriced.fares[number] for number in repriced.index]
    assert [fare if isinstance(fare, PricedFare) else str(fare) for fare in got] == [alone(row) for row in rows]
    totals = [fare.total.minor if isinstance(fare, PricedFare) else -1 for fare in got]
    assert repriced.total_minor.tolist() == totals


def test_every_combination_at_the_edges(row: Record) -> None:
    """Where two rides differ in one thing that a rule looks at: each falls into its own class."""
    early = next(discount.when.entries[0] for discount in tariffs()[1].discounts if discount.when.entries)
    edges = [edge for w in WHEN for edge in (w.month_paid_from_minor, w.month_paid_below_minor) if edge is not None]
    totals = sorted({edge + step for edge in edges for step in (-1, 0)})
    rows = [
        replace(
            row,
            card_class=card_class,
            place=stations()[4],
            capp_before=TRANSIT_PROCESS.encode(
                replace(entered(here, month="2609", month_paid_minor=paid), entry_time=day + clock)
            ),
        )
        for here in (early, stations()[2])
        for card_class in (1, 2, 3, 4)
        for paid in totals
        for day in ("20260915", "20260919")
        for clock in ("065959", "070000")
    ]
    rows += [
        replace(row, event=Event.RIDE, card_class=card_class, line=line)
        for card_class in (1, 2, 3, 4)
        for line in tariffs()[1].lines
    ]
    repriced = Repricer(tariffs()).reprice(columns(rows))
    assert [repriced.fares[number] for number in repriced.index] == [reprice(one, tariffs()) for one in rows]
    assert len({fare.total for fare in map(alone, rows) if isinstance(fare, PricedFare)}) > 4


def test_every_pair_of_stations(row: Record) -> None:
    every = stations()
    rows = [
        replace(row, place=there, capp_before=TRANSIT_PROCESS.encode(entered(here)))
        for here in every
        for there in every
    ]
    repriced = Repricer(tariffs()).reprice(columns(rows))
    assert [repriced.fares[number] for number in repriced.index] == [reprice(one, tariffs()) for one in rows]


def test_a_full_day_needs_few_prices(row: Record) -> None:
    """What makes it quick: rides that no rule tells apart are priced once."""
    here, there = stations()[:2]
    rows = [
        replace(
            row, place=there, capp_before=TRANSIT_PROCESS.encode(entered(here, month="2609", month_paid_minor=paid))
        )
        for paid in range(9000)
    ]
    assert len(Repricer(tariffs()).reprice(columns(rows)).fares) == 1


@pytest.fixture
def row() -> Record:
    return Record(
        kind=Kind.INTENT,
        event=Event.EXIT,
        device="GATE-1",
        journal_sequence=1,
        issuer=bytes(8),
        serial=bytes(10),
        card_class=1,
        key_version=1,
        algorithm=0,
        transaction_type=9,
        amount_minor=300,
        balance_before_minor=5000,
        card_sequence=1,
        sam_terminal=bytes(6),
        date=bytes.fromhex("20260915"),
        time=bytes.fromhex("120000"),
        tariff_version=1,
    )


def entered(station: str, **fields: Any) -> TransitProcess:
    return TransitProcess(entry_station=station.encode().ljust(8, b"\x00"), entry_time="20260915113000", **fields)
