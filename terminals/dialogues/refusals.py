"""Why a tap is refused before any money is asked for."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum, unique

from card_os.profile.transit import TransitState
from rulebook.record import Event
from terminals.dialogues.context import Moment, Rules, Terminal
from terminals.dialogues.transit_card import TransitCard

_INTEROPERABLE = "0001"


@unique
class Refusal(StrEnum):
    """In order of precedence. ``retry_helps`` marks those that the rider can cure at the same terminal."""

    NO_TRANSIT_APPLICATION = "no_transit_application"  # SELECT failed: another city's or another kind of card
    UNREADABLE = "unreadable"  # a file holds what its layout does not allow
    EXPIRED = "expired"
    NOT_YET_VALID = "not_yet_valid"
    DENIED = "denied"
    LIST_TOO_OLD = "list_too_old"  # the terminal has not heard from the issuer for too long
    LOCKED = "locked"
    CITY_NOT_ACCEPTED = "city_not_accepted"
    ISSUER_NOT_ACCEPTED = "issuer_not_accepted"
    ALREADY_INSIDE = "already_inside"
    NOT_INSIDE = "not_inside"
    NO_FARE = "no_fare"  # the tariff knows no fare for this ride
    TOO_LITTLE_MONEY = "too_little_money"

    @property
    def retry_helps(self) -> bool:
        return self in (Refusal.UNREADABLE, Refusal.LIST_TOO_OLD)


@dataclass(frozen=True, slots=True, kw_only=True)
class Presented:
    """A card at a terminal, before it is priced."""

    card: TransitCard
    terminal: Terminal
    rules: Rules
    event: Event
    at: Moment


def _foreign_city(p: Presented) -> bool:
    management = p.card.management
    return management.city != p.terminal.city and management.interoperability != _INTEROPERABLE


def _inside(p: Presented) -> bool:
    return p.card.process.state in (TransitState.ENTERED, TransitState.UPDATED_AT_ENTRY)


_CHECKS: tuple[tuple[Refusal, Callable[[Presented], bool]], ...] = (
    (Refusal.EXPIRED, lambda p: p.card.public.valid_to < p.at.digits[:8]),
    (Refusal.NOT_YET_VALID, lambda p: p.card.public.valid_from > p.at.digits[:8]),
    (Refusal.DENIED, lambda p: p.rules.deny_list.denies(p.card.issuer, p.card.serial)),
    (Refusal.LIST_TOO_OLD, lambda p: p.rules.deny_list.too_old(p.at.now, p.terminal.kind)),
    (Refusal.LOCKED, lambda p: p.card.process.lock != 0),
    (Refusal.CITY_NOT_ACCEPTED, _foreign_city),
    (Refusal.ISSUER_NOT_ACCEPTED, lambda p: p.card.issuer not in p.terminal.issuers),
    (Refusal.ALREADY_INSIDE, lambda p: p.event is Event.ENTRY and _inside(p)),
    (Refusal.NOT_INSIDE, lambda p: p.event is Event.EXIT and not _inside(p)),
)


def first_refusal(presented: Presented) -> Refusal | None:
    """The first reason that applies, of those that can be judged without a price."""
    return next((refusal for refusal, applies in _CHECKS if applies(presented)), None)
