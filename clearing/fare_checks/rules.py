"""A fare priced again from what the card carried at the tap and the tariff version the terminal reported."""

from __future__ import annotations

from collections.abc import Mapping

from clearing.verification.context import bcd_moment, moment
from rulebook.calendar import DayNotCovered
from rulebook.record import Event, Record
from rulebook.tariff import History, HistoryUnreadable, NoFare, PricedFare, Ride, RiderClass, Tariff, price

# File 1A (standards.md §4.5): entry station, entry time BCD, transfer data.
_ENTRY_STATION = slice(35, 43)
_ENTRY_TIME = slice(67, 74)
_TRANSFER_DATA = slice(115, 120)


class NotPriceable(Exception):
    """The record does not carry what its fare is priced from; the message says what is missing."""


def reprice(record: Record, tariffs: Mapping[int, Tariff]) -> PricedFare:
    """The fare of a RIDE or EXIT as it should have been. Raises ``NotPriceable``."""
    tariff = tariffs.get(record.tariff_version)
    if tariff is None:
        raise NotPriceable(f"tariff version {record.tariff_version} was never published")
    charged_at = moment(record)
    if charged_at is None:
        raise NotPriceable("date and time are no time of the calendar")
    try:
        history = History.none(charged_at)
        if record.capp_before:
            history = History.from_transfer_data(record.capp_before[_TRANSFER_DATA], at=charged_at)
        return price(_ride(record), tariff, history)
    except (HistoryUnreadable, NoFare, DayNotCovered) as error:
        raise NotPriceable(str(error)) from error


def _ride(record: Record) -> Ride:
    charged_at = moment(record)
    assert charged_at is not None  # reprice has looked
    rider_class = RiderClass.of_code(record.card_class)
    if record.event is not Event.EXIT:
        return Ride(line=record.line, entered_at=charged_at, charged_at=charged_at, rider_class=rider_class)
    entered_at = bcd_moment(record.capp_before[_ENTRY_TIME])
    entry = record.capp_before[_ENTRY_STATION].rstrip(b"\x00").decode("ascii", "replace")
    if entered_at is None or not entry or not record.place:
        raise NotPriceable("file 1A as read at the exit shows no entry")
    return Ride(
        line=record.line,
        entry=entry,
        exit=record.place,
        entered_at=entered_at,
        charged_at=charged_at,
        rider_class=rider_class,
    )
