"""A fare is priced again from the record alone."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from typing import Any

import pytest

from card_os.profile.transit import TRANSIT_PROCESS, TransitProcess
from clearing.fare_checks.rules import NotPriceable, reprice
from rulebook.calendar import BUSINESS_ZONE
from rulebook.record import Event
from rulebook.tariff import Tariff, load_tariff
from rulebook.tariff.demonstration import demonstration_document

NOON = datetime(2026, 9, 15, 12, tzinfo=BUSINESS_ZONE)


@pytest.fixture(scope="module")
def tariff() -> Tariff:
    return load_tariff(demonstration_document())


def _code(tariff: Tariff, name: str) -> str:
    return next(code for code, station in tariff.stations.items() if station.name == name)


def _entered(station: str, **fields: Any) -> bytes:
    process = TransitProcess(
        state=1, entry_station=station.encode().ljust(8, b"\x00"), entry_time="20260915113000", **fields
    )
    return TRANSIT_PROCESS.encode(process)


def _exit(town: Any, tariff: Tariff, **fields: Any) -> Any:
    place = _code(tariff, "王府井")
    return town.intent(1, 0, device="GATE-1", event=Event.EXIT, line="", place=place, at=NOON, **fields)


def test_a_metro_exit_is_priced_from_the_entry_on_the_card(town: Any, tariff: Tariff) -> None:
    record = _exit(town, tariff, capp_before=_entered(_code(tariff, "苹果园")))
    assert reprice(record, {1: tariff}).total.minor == 500


def test_what_the_card_paid_this_month_lowers_the_fare(town: Any, tariff: Tariff) -> None:
    before = _entered(_code(tariff, "苹果园"), month="2609", month_paid_minor=15000)
    assert reprice(_exit(town, tariff, capp_before=before), {1: tariff}).total.minor == 250


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"capp_before": b""}, "shows no entry"),
        ({"place": "NOWHERE"}, "NOWHERE"),
        ({"tariff_version": 9}, "never published"),
        ({"date": bytes(4)}, "no time of the calendar"),
    ],
)
def test_what_cannot_be_priced_says_why(town: Any, tariff: Tariff, changes: dict[str, Any], why: str) -> None:
    record = _exit(town, tariff, capp_before=_entered(_code(tariff, "苹果园")))
    with pytest.raises(NotPriceable, match=why):
        reprice(replace(record, **changes), {1: tariff})


def test_an_unknown_bus_line_has_no_fare(town: Any, tariff: Tariff) -> None:
    with pytest.raises(NotPriceable, match="line XX"):
        reprice(town.intent(1, 0, line="XX"), {1: tariff})
