"""The tariff as data: a JSON document, checked whole, as frozen values."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, time
from typing import Annotated, Any, ClassVar

from pydantic import ConfigDict, Field, TypeAdapter, ValidationError

from rulebook.calendar import Calendar, calendar_named
from rulebook.money import Currency, Rounding
from rulebook.rate import Rate
from rulebook.tariff.network import Network, Section
from rulebook.tariff.ride import RiderClass

OPERATOR = "operator"


class MalformedTariff(ValueError):
    """The document is no tariff; ``faults`` lists everything that is wrong with it."""

    def __init__(self, faults: list[str]) -> None:
        super().__init__("; ".join(faults))
        self.faults = tuple(faults)


Fen = Annotated[int, Field(ge=0, strict=True)]
Metres = Annotated[int, Field(ge=0, strict=True)]
RuleNumber = Annotated[int, Field(ge=1, le=0xFFFF, strict=True)]
Code = Annotated[str, Field(pattern=r"^[\x21-\x7e]{1,8}$")]

_CLOSED = ConfigDict(extra="forbid")


@dataclass(frozen=True, slots=True)
class Name:
    """For the rider, in both languages."""

    __pydantic_config__: ClassVar[ConfigDict] = _CLOSED
    zh: str
    en: str


@dataclass(frozen=True, slots=True)
class Line:
    """``number`` is the one byte that file 1A has for a line."""

    __pydantic_config__: ClassVar[ConfigDict] = _CLOSED
    code: Code
    number: Annotated[int, Field(ge=0, le=255, strict=True)]
    name: Name
    zone: str


@dataclass(frozen=True, slots=True)
class Station:
    """``code`` has at most six characters: file 1E has seven bytes for line and station."""

    __pydantic_config__: ClassVar[ConfigDict] = _CLOSED
    code: Annotated[str, Field(pattern=r"^[\x21-\x7e]{1,6}$")]
    name: str


@dataclass(frozen=True, slots=True)
class Tier:
    """The fare up to and including ``upto_metres``; the last tier has None. A flat fare is one tier."""

    __pydantic_config__: ClassVar[ConfigDict] = _CLOSED
    upto_metres: Metres | None
    amount_minor: Fen


@dataclass(frozen=True, slots=True)
class Zone:
    """Lines that share a fare table. A trip that runs less than ``grace_metres`` past a tier's edge stays in it.
    ``monthly``: what is paid here counts towards the month's total."""

    __pydantic_config__: ClassVar[ConfigDict] = _CLOSED
    code: str
    rule: RuleNumber
    name: Name
    tiers: Annotated[tuple[Tier, ...], Field(min_length=1)]
    grace_metres: Metres = 0
    monthly: bool = False

    def fare_minor(self, metres: int) -> int:
        beyond = max(self.grace_metres - 1, 0)
        for tier in self.tiers:
            if tier.upto_metres is None or metres <= tier.upto_metres + beyond:
                return tier.amount_minor
        raise AssertionError("load_tariff keeps the last tier open")


@dataclass(frozen=True, slots=True)
class Condition:
    """When a discount applies; what is left out does not matter. ``before`` is the entry's local time, exclusive;
    the month bounds are fen paid before the ride, from inclusive and below exclusive."""

    __pydantic_config__: ClassVar[ConfigDict] = _CLOSED
    rider_classes: tuple[RiderClass, ...] = ()
    entries: tuple[str, ...] = ()
    before: time | None = None
    working_days_only: bool = False
    month_paid_from_minor: Fen | None = None
    month_paid_below_minor: Fen | None = None


@dataclass(frozen=True, slots=True)
class Discount:
    """Takes ``off`` of what is left of the fare in ``zones``; ``bearer`` is ``operator`` or a participant's id."""

    __pydantic_config__: ClassVar[ConfigDict] = _CLOSED
    rule: RuleNumber
    name: Name
    zones: tuple[str, ...]
    off: Rate
    when: Condition = field(default_factory=Condition)
    bearer: str = OPERATOR


@dataclass(frozen=True, slots=True)
class _Transfer:
    __pydantic_config__: ClassVar[ConfigDict] = _CLOSED
    from_station: str
    to_station: str


@dataclass(frozen=True, slots=True)
class _Section:
    __pydantic_config__: ClassVar[ConfigDict] = _CLOSED
    line: str
    from_station: str
    to_station: str
    metres: Metres


@dataclass(frozen=True, slots=True, kw_only=True)
class _Document:
    __pydantic_config__: ClassVar[ConfigDict] = _CLOSED
    version: Annotated[int, Field(ge=1, le=0xFFFFFFFF, strict=True)]
    effective_from: date
    effective_to: date | None = None
    currency: Currency
    rounding: Rounding
    calendar: str
    entry_balance_minor: Fen
    zones: tuple[Zone, ...]
    lines: tuple[Line, ...]
    stations: tuple[Station, ...] = ()
    sections: tuple[_Section, ...] = ()
    virtual_transfers: tuple[_Transfer, ...] = ()
    discounts: tuple[Discount, ...] = ()


_ADAPTER = TypeAdapter(_Document)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Tariff:
    """In force from ``effective_from`` to ``effective_to`` (both days included; None: until replaced). Where two zones
    could carry a trip alike, the one declared first does.
    ``entry_balance_minor`` is the fen a card must hold to be let into a network of stations. ``discounts`` apply in order."""

    version: int
    effective_from: date
    effective_to: date | None
    currency: Currency
    rounding: Rounding
    calendar: Calendar
    entry_balance_minor: int
    zones: Mapping[str, Zone]
    lines: Mapping[str, Line]
    stations: Mapping[str, Station]
    discounts: tuple[Discount, ...]
    network: Network

    def in_force_on(self, day: date) -> bool:
        return self.effective_from <= day and (self.effective_to is None or day <= self.effective_to)

    def bearer_of(self, rule: int) -> str:
        """Who bears a trace's line of that rule number; a base fare and an unknown rule are the operator's."""
        return next((discount.bearer for discount in self.discounts if discount.rule == rule), OPERATOR)


def load_tariff(document: Mapping[str, Any]) -> Tariff:
    """Check a document whole. Raises ``MalformedTariff`` with every fault found."""
    try:
        read = _ADAPTER.validate_python(dict(document))
    except ValidationError as error:
        raise MalformedTariff(
            [f"{'.'.join(map(str, fault['loc'])) or 'document'}: {fault['msg']}" for fault in error.errors()]
        ) from error
    if faults := [*_repeats(read), *_dangling(read), *_open_ends(read)]:
        raise MalformedTariff(faults)
    zone_of = {line.code: line.zone for line in read.lines}
    sections = [Section(zone_of[s.line], s.from_station, s.to_station, s.metres, s.line) for s in read.sections]
    return Tariff(
        version=read.version,
        effective_from=read.effective_from,
        effective_to=read.effective_to,
        currency=read.currency,
        rounding=read.rounding,
        calendar=calendar_named(read.calendar),
        entry_balance_minor=read.entry_balance_minor,
        zones={zone.code: zone for zone in read.zones},
        lines={line.code: line for line in read.lines},
        stations={station.code: station for station in read.stations},
        discounts=read.discounts,
        network=Network(
            [zone.code for zone in read.zones],
            sections,
            [(t.from_station, t.to_station) for t in read.virtual_transfers],
        ),
    )


def _repeats(read: _Document) -> list[str]:
    keys: dict[str, list[Any]] = {
        "zones.code": [zone.code for zone in read.zones],
        "lines.code": [line.code for line in read.lines],
        "lines.number": [line.number for line in read.lines],
        "stations.code": [station.code for station in read.stations],
        "rule": [zone.rule for zone in read.zones] + [discount.rule for discount in read.discounts],
    }
    return [
        f"{name}: {value} is there more than once"
        for name, values in keys.items()
        for value in sorted({value for value in values if values.count(value) > 1})
    ]


def _dangling(read: _Document) -> list[str]:
    zones = {zone.code for zone in read.zones}
    lines = {line.code for line in read.lines}
    stations = {station.code for station in read.stations}
    named: list[tuple[str, str, set[str]]] = [("lines.zone", line.zone, zones) for line in read.lines]
    named += [("discounts.zones", zone, zones) for discount in read.discounts for zone in discount.zones]
    named += [("discounts.when.entries", s, stations) for discount in read.discounts for s in discount.when.entries]
    named += [("sections.line", section.line, lines) for section in read.sections]
    ends = [(s.from_station, s.to_station) for s in read.sections]
    ends += [(t.from_station, t.to_station) for t in read.virtual_transfers]
    named += [("sections and virtual_transfers", end, stations) for pair in ends for end in pair]
    faults = [f"{where}: {code} is not declared" for where, code, declared in named if code not in declared]
    try:
        calendar_named(read.calendar)
    except LookupError as error:
        faults.append(f"calendar: {error.args[0]}")
    return faults


def _open_ends(read: _Document) -> list[str]:
    faults = []
    for zone in read.zones:
        edges = [tier.upto_metres for tier in zone.tiers]
        closed = [edge for edge in edges[:-1] if edge is not None]
        if edges[-1] is not None or len(closed) != len(edges) - 1 or closed != sorted(set(closed)):
            faults.append(f"zones.{zone.code}.tiers: upto_metres must rise and only the last one be null")
    if read.effective_to is not None and read.effective_to < read.effective_from:
        faults.append("effective_to: lies before effective_from")
    return faults
