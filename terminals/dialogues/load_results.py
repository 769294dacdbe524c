"""What a top-up desk is, and what a load there ends with."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum, unique
from typing import TypeAlias

from rulebook.money import Amount


@dataclass(frozen=True, slots=True, kw_only=True)
class Desk:
    """The device as configured. ``terminal`` is its PSAM's number (6 bytes), ``purse_limit`` the product's."""

    device: str
    terminal: bytes
    place: str
    purse_limit: Amount
    software_version: int


@unique
class Reason(StrEnum):
    """Why nothing was loaded, in the order in which it shows."""

    NO_TRANSIT_APPLICATION = "no_transit_application"
    UNREADABLE = "unreadable"  # a file or an answer of the card is not as its layout says
    PURSE_LIMIT_PASSED = "purse_limit_passed"  # by the desk's rule, or the card's own
    PIN_WRONG = "pin_wrong"
    PIN_BLOCKED = "pin_blocked"
    CARD_LOCKED = "card_locked"
    COUNTER_AT_END = "counter_at_end"
    CARD_REFUSED = "card_refused"  # another status; ``detail`` has it
    HOST_REFUSED = "host_refused"  # ``host_reason`` says why
    HOST_SILENT = "host_silent"  # it may have reserved the amount; the next load of this card settles that
    MAC2_REFUSED = "mac2_refused"  # the card took the host's authorisation for wrong
    JOURNAL_FAILED = "journal_failed"  # the desk is out of order: nothing is credited that it could not prove
    CARD_GONE = "card_gone"  # before anything was credited

    @property
    def retry_helps(self) -> bool:
        """The holder may try again here and now."""
        return self in (Reason.PIN_WRONG, Reason.HOST_SILENT, Reason.MAC2_REFUSED, Reason.CARD_GONE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Loaded:
    """The card holds the money. ``confirmed``: the host has posted it; otherwise its TAC is still to be delivered."""

    amount: Amount
    balance: Amount
    tac: bytes
    confirmed: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class NotLoaded:
    """The card holds what it held. ``tries_left`` with a wrong PIN, ``host_reason`` with a refusal of the host."""

    reason: Reason
    tries_left: int | None = None
    host_reason: str = ""
    detail: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class LoadUnknown:
    """The card left before it answered CREDIT FOR LOAD. Ask the holder to present it again."""

    amount: Amount


LoadResult: TypeAlias = Loaded | NotLoaded | LoadUnknown
