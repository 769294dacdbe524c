"""What a record is judged against: everything that is not in the records themselves, frozen."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from typing import TypeAlias

from clearing.facts.rules import DenyList
from rulebook.calendar import BUSINESS_ZONE, Calendar
from rulebook.messages.devices import DeviceKind
from rulebook.messages.facts import CardFact, SamFact
from rulebook.record import Event, Kind, Record
from rulebook.tariff import Tariff

CardId: TypeAlias = tuple[bytes, bytes]  # issuer, application serial
CounterId: TypeAlias = tuple[bytes, bytes, int]  # issuer, application serial, purse


@dataclass(frozen=True, slots=True, order=True)
class TransactionId:
    """Names a card transaction for ever. ``load``: ``sequence`` is the on-line one, otherwise the off-line one."""

    issuer: bytes
    serial: bytes
    purse: int
    load: bool
    sequence: int

    @classmethod
    def of(cls, record: Record) -> TransactionId:
        return cls(*record.purchase_id[:3], record.event is Event.LOAD, record.card_sequence)

    @property
    def card(self) -> CardId:
        return (self.issuer, self.serial)

    @classmethod
    def parse(cls, text: str) -> TransactionId:
        """What ``str`` gave."""
        counter, issuer, serial, purse, sequence = text.split(":")
        return cls(bytes.fromhex(issuer), bytes.fromhex(serial), int(purse), counter == "load", int(sequence))

    def __str__(self) -> str:
        counter = "load" if self.load else "tap"
        return f"{counter}:{self.issuer.hex().upper()}:{self.serial.hex().upper()}:{self.purse}:{self.sequence:05d}"


@dataclass(frozen=True, slots=True)
class Absence:
    """The device was not where it belongs from ``lost_at`` until ``back_at`` (None: to this day)."""

    lost_at: datetime
    back_at: datetime | None = None

    def covers(self, at: datetime | None) -> bool:
        """Whether what the device did then counts for nothing. What has no readable time may be of any, while it is away."""
        if at is None:
            return self.back_at is None
        return self.lost_at <= at and (self.back_at is None or at < self.back_at)


@dataclass(frozen=True, slots=True)
class KnownDevice:
    """``absences``: in order of time, also those that have ended."""

    device: str
    kind: DeviceKind
    operator: str
    sam_serial: bytes
    terminal_number: bytes
    absences: tuple[Absence, ...] = ()


@dataclass(frozen=True, slots=True)
class KnownCard:
    """What the card register says that a tap is judged and booked by."""

    key_version: int
    rider_class: str
    valid_from: date = date.min
    valid_to: date = date.max

    @classmethod
    def of(cls, fact: CardFact) -> KnownCard:
        return cls(fact.key_version, fact.rider_class, fact.valid_from, fact.valid_to)

    def valid_at(self, moment: datetime) -> bool:
        """Both days are within, in city time as the terminal has it."""
        return self.valid_from <= moment.astimezone(BUSINESS_ZONE).date() <= self.valid_to


@dataclass(frozen=True, slots=True)
class Policy:
    """``upload_horizon``: how late a record may come in. ``calendar`` says which business day a tap belongs to."""

    our_issuers: frozenset[bytes]
    upload_horizon: timedelta
    calendar: Calendar


@dataclass(frozen=True, slots=True)
class KnownLoad:
    """What clearing authorised: fen, and whether the TAC has been posted."""

    amount_minor: int
    posted: bool


@dataclass(frozen=True, slots=True)
class Settled:
    """A card transaction that moved money: its content, and whether the terminal's own outcome or a finding proved it."""

    fingerprint: bytes
    evidence: Kind


ENDED_BEFORE = Settled(b"", Kind.OUTCOME)
"""Of a card transaction from before a migration, whatever it was: the old system has ended it."""


@dataclass(frozen=True, slots=True)
class Context:
    """``settled``: card transactions that earlier windows posted; ``held``: fen they left on "open taps".
    ``decided``: what two people decided about open taps, whether it was released to the operator.
    ``next_sequence``: of each purse, the off-line sequence expected next; one not named begins at 0. ``inside``: of a purse
    whose last purchase was an entry, that entry's sequence."""

    business_day: date
    policy: Policy
    devices: Mapping[str, KnownDevice]
    sams: Mapping[bytes, SamFact]
    cards: Mapping[CardId, KnownCard]
    deny: DenyList
    tariffs: Mapping[int, Tariff]
    loads: Mapping[TransactionId, KnownLoad] = field(default_factory=dict)
    settled: Mapping[TransactionId, Settled] = field(default_factory=dict)
    held: Mapping[TransactionId, int] = field(default_factory=dict)
    decided: Mapping[TransactionId, bool] = field(default_factory=dict)
    next_sequence: Mapping[CounterId, int] = field(default_factory=dict)
    inside: Mapping[CounterId, int] = field(default_factory=dict)


def moment(record: Record) -> datetime | None:
    """When the tap was, by the terminal's clock, in the business time zone; None where the BCD is no time."""
    return bcd_moment(record.date + record.time)


FIRST_YEAR, LAST_YEAR = 1970, 2099
"""Of a clock that can be right; ours. What is dated in the year 1 is of no business day and no moment in UTC, what is dated
9999 of no day with a next one; neither may stop a close."""


def bcd_moment(raw: bytes) -> datetime | None:
    """YYYYMMDDhhmmss in BCD, 7 bytes."""
    try:
        digits = raw.hex()
        clock = int(digits[8:10]), int(digits[10:12]), int(digits[12:])
        at = datetime(int(digits[:4]), int(digits[4:6]), int(digits[6:8]), *clock, tzinfo=BUSINESS_ZONE)
    except ValueError:
        return None
    return at if FIRST_YEAR <= at.year <= LAST_YEAR else None
