"""The deny list: whole, versioned, and who bears a tap of a denied card (design.md, "Deny list")."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum, unique
from types import MappingProxyType

from rulebook.messages.devices import DenyEntry, DeviceKind, Parameters


@dataclass(frozen=True, slots=True)
class Spreading:
    """How fast a class of terminals has to learn. ``time``: from report to force. ``list_limit``: the greatest age of
    the list it has, before it stops taking the cards of the list's issuers."""

    time: timedelta
    list_limit: timedelta


# Ours: no public standard gives these times. A bus meets a network now and then, the others are always connected.
SPREADING: Mapping[DeviceKind, Spreading] = MappingProxyType(
    {
        DeviceKind.VALIDATOR: Spreading(time=timedelta(minutes=60), list_limit=timedelta(hours=72)),
        DeviceKind.GATE: Spreading(time=timedelta(minutes=15), list_limit=timedelta(hours=24)),
        DeviceKind.TOPUP: Spreading(time=timedelta(minutes=5), list_limit=timedelta(hours=2)),
        DeviceKind.HOSPITAL: Spreading(time=timedelta(minutes=5), list_limit=timedelta(hours=2)),
    }
)


def in_force_at(reported_at: datetime, kind: DeviceKind) -> datetime:
    """From when terminals of that class have to refuse the card."""
    return reported_at + SPREADING[kind].time


@dataclass(frozen=True, slots=True)
class DenyList:
    """One version, complete. ``received_at`` is when this terminal last heard that it is the newest one.
    ``entries`` maps (issuer id 8 bytes, application serial 10 bytes) to when the card was reported."""

    version: int
    received_at: datetime
    entries: Mapping[tuple[bytes, bytes], datetime] = field(default_factory=lambda: MappingProxyType({}))

    @classmethod
    def of(cls, version: int, entries: Iterable[DenyEntry], *, received_at: datetime) -> DenyList:
        """Of several reports of one card the first counts."""
        reports: dict[tuple[bytes, bytes], datetime] = {}
        for entry in entries:
            card = (entry.issuer, entry.serial)
            reports[card] = min(entry.reported_at, reports.get(card, entry.reported_at))
        return cls(version, received_at, MappingProxyType(reports))

    @classmethod
    def from_parameters(cls, parameters: Parameters, *, received_at: datetime) -> DenyList:
        return cls.of(parameters.list_version, parameters.deny_list, received_at=received_at)

    def denies(self, issuer: bytes, serial: bytes) -> bool:
        """A card on the list is refused at once: what is in force only later protects the operator, not the thief."""
        return (issuer, serial) in self.entries

    def too_old(self, now: datetime, kind: DeviceKind) -> bool:
        """True: the terminal stops taking the issuer's cards until it has heard again."""
        return now - self.received_at > SPREADING[kind].list_limit


@unique
class Bearer(StrEnum):
    """Who bears a tap that was paid with a denied card."""

    ISSUER = "issuer"
    HOLDER = "holder"  # the issuer by law, the holder where the product's rule says so
    OPERATOR = "operator"


@unique
class Ground(StrEnum):
    """Why, for the statement."""

    NOT_DENIED = "not_denied"
    BEFORE_IN_FORCE = "before_in_force"
    OLD_LIST = "old_list"  # the terminal says a version without the card, and ought to have had one with it
    LET_THROUGH = "let_through"  # the terminal says a version with the card and took it all the same


@dataclass(frozen=True, slots=True)
class Judgement:
    """``bearer`` is None for a card that was not denied: the tap is a tap like any other."""

    ground: Ground
    bearer: Bearer | None


def judge(
    *,
    tapped_at: datetime,
    kind: DeviceKind,
    reported_at: datetime | None,
    listed_since_version: int | None,
    said_version: int,
    before_force: Bearer = Bearer.ISSUER,
) -> Judgement:
    """Judge a paid tap. ``reported_at`` is when the card was reported (None: never), ``listed_since_version`` the first
    list version with it, ``said_version`` the one the record carries, ``before_force`` the product's rule."""
    if reported_at is None or tapped_at < reported_at:
        return Judgement(Ground.NOT_DENIED, None)
    if tapped_at < in_force_at(reported_at, kind):
        return Judgement(Ground.BEFORE_IN_FORCE, before_force)
    if listed_since_version is not None and said_version >= listed_since_version:
        return Judgement(Ground.LET_THROUGH, Bearer.OPERATOR)
    return Judgement(Ground.OLD_LIST, Bearer.OPERATOR)
