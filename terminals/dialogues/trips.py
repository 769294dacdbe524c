"""From a card and a terminal to an amount and the new contents of files 1A and 1E."""

from __future__ import annotations

from dataclasses import dataclass, replace

from card_os.profile.transit import (
    TRIP_RECORD,
    Industry,
    TransitProcess,
    TransitState,
    TripRecord,
    TripType,
    sealed,
)
from rulebook.calendar import DayNotCovered
from rulebook.money import ZERO, Amount
from rulebook.record import Event
from rulebook.record.record import TRACE_STEPS
from rulebook.tariff import History, NoFare, PricedFare, Ride, RiderClass, price
from terminals.dialogues.context import Sam, moment_of
from terminals.dialogues.refusals import Presented, Refusal

_TRIP_TYPES = {Event.RIDE: TripType.SINGLE, Event.ENTRY: TripType.ENTRY, Event.EXIT: TripType.EXIT}
_PLACE_LENGTH = 7
_STATION_LENGTH = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class Planned:
    """What the purchase will do: ``process`` are the 128 bytes of 1A (None: it stays), ``trip`` the 48 of 1E."""

    event: Event
    amount: Amount
    fare: PricedFare | None
    process: bytes | None
    trip: bytes


def plan(p: Presented, sam: Sam) -> Planned | Refusal:
    """Price the ride and say what the card shall hold afterwards."""
    if not p.rules.tariff.in_force_on(p.rules.tariff.calendar.business_day(p.at.now)):
        return Refusal.NO_FARE
    try:
        fare = None if p.event is Event.ENTRY else price(_ride(p), p.rules.tariff, _history(p))
    except (NoFare, DayNotCovered, ValueError):
        return Refusal.NO_FARE
    if fare is not None and len(fare.steps()) > TRACE_STEPS:
        return Refusal.NO_FARE  # none that a record could explain
    amount = fare.total if fare is not None else ZERO
    if p.card.balance_minor < _needed(p, amount):
        return Refusal.TOO_LITTLE_MONEY
    return Planned(
        event=p.event,
        amount=amount,
        fare=fare,
        process=_process_after(p, sam, fare),
        trip=TRIP_RECORD.encode(_trip_record(p, sam, amount)),
    )


def _needed(p: Presented, amount: Amount) -> int:
    """Who enters a network must hold what the tariff asks, who pays what the ride costs."""
    return p.rules.tariff.entry_balance_minor if p.event is Event.ENTRY else amount.minor


def _ride(p: Presented) -> Ride:
    rider_class = RiderClass.of_code(p.card.management.card_class)
    if p.event is Event.RIDE:
        return Ride(line=p.terminal.line, entered_at=p.at.now, charged_at=p.at.now, rider_class=rider_class)
    return Ride(
        entry=station_code(p.card.process.entry_station),
        exit=p.terminal.place,
        entered_at=moment_of(p.card.process.entry_time),
        charged_at=p.at.now,
        rider_class=rider_class,
    )


def _history(p: Presented) -> History:
    process = p.card.process
    return History.from_card(process.month, process.month_paid_minor, at=p.at.now)


def _process_after(p: Presented, sam: Sam, fare: PricedFare | None) -> bytes | None:
    match p.event:
        case Event.ENTRY:
            return sealed(_entered(p, sam))
        case Event.EXIT if fare is not None:
            return sealed(_left(p, sam, fare))
    return None  # a bus ride does not touch an open metro trip


def _entered(p: Presented, sam: Sam) -> TransitProcess:
    before = p.card.process
    return TransitProcess(
        record_id=before.record_id,
        length=before.length,
        lock=before.lock,
        state=TransitState.ENTERED,
        entry_city=p.terminal.city,
        entry_institution=p.terminal.institution,
        entry_station=station_bytes(p.terminal.place),
        entry_device=sam.terminal.ljust(_STATION_LENGTH, b"\x00"),
        entry_time=p.at.digits,
        entry_line=_line_number(p),
        entry_balance_minor=p.card.balance_minor,
        month=before.month,
        month_paid_minor=before.month_paid_minor,
    )


def _left(p: Presented, sam: Sam, fare: PricedFare) -> TransitProcess:
    history = _history(p).after(fare.counted, at=p.at.now)
    return replace(
        p.card.process,
        state=TransitState.EXITED,
        exit_city=p.terminal.city,
        exit_institution=p.terminal.institution,
        exit_station=station_bytes(p.terminal.place),
        exit_device=sam.terminal.ljust(_STATION_LENGTH, b"\x00"),
        exit_time=p.at.digits,
        exit_line=_line_number(p),
        exit_amount_minor=fare.total.minor,
        month=history.card_month,
        month_paid_minor=history.card_paid_minor,
    )


def _trip_record(p: Presented, sam: Sam, amount: Amount) -> TripRecord:
    station = "" if p.event is Event.RIDE else p.terminal.place
    return TripRecord(
        type=_TRIP_TYPES[p.event],
        terminal=sam.terminal,
        industry=Industry.BUS if p.event is Event.RIDE else Industry.METRO,
        place=(bytes([_line_number(p)]) + station.encode("ascii")).ljust(_PLACE_LENGTH, b"\x00"),
        amount_minor=amount.minor,
        balance_minor=p.card.balance_minor - amount.minor,
        time=p.at.digits,
        city=p.terminal.city,
        institution=p.terminal.institution,
    )


def _line_number(p: Presented) -> int:
    line = p.rules.tariff.lines.get(p.terminal.line)
    return line.number if line is not None else 0


def station_bytes(code: str) -> bytes:
    """A station code as file 1A has it: ASCII, padded with 00 on the right (ours)."""
    return code.encode("ascii").ljust(_STATION_LENGTH, b"\x00")


def station_code(raw: bytes) -> str:
    """Back again. Raises ``ValueError`` for a station of somebody else's coding."""
    return raw.rstrip(b"\x00").decode("ascii")
