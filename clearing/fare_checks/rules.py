"""A fare priced again from what the card carried at the tap and the tariff version the terminal reported."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

from card_os.profile.transit import TRANSIT_PROCESS, TransitProcess
from clearing.verification.context import bcd_moment, moment
from rulebook.calendar import DayNotCovered
from rulebook.record import Event, Record
from rulebook.tariff import History, HistoryUnreadable, NoFare, PricedFare, Ride, RiderClass, Tariff, price


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
        card = TRANSIT_PROCESS.decode(record.capp_before) if record.capp_before else TransitProcess()
        history = History.from_card(card.month, card.month_paid_minor, at=charged_at)
        return price(_ride(record, card, charged_at), tariff, history)
    except (HistoryUnreadable, NoFare, DayNotCovered, ValueError) as error:
        raise NotPriceable(str(error)) from error


def _ride(record: Record, card: TransitProcess, charged_at: datetime) -> Ride:
    rider_class = RiderClass.of_code(record.card_class)
    if record.event is not Event.EXIT:
        return Ride(line=record.line, entered_at=charged_at, charged_at=charged_at, rider_class=rider_class)
    entered_at = bcd_moment(bytes.fromhex(card.entry_time))
    if entered_at is None:
        raise NotPriceable("file 1A as read at the exit shows no entry")
    return Ride(
        entry=card.entry_station.rstrip(b"\x00").decode("ascii"),
        exit=record.place,
        entered_at=entered_at,
        charged_at=charged_at,
        rider_class=rider_class,
    )
