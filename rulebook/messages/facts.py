"""The feed: what issuing lets clearing and terminals know. No name and no citizen id is in it."""

from __future__ import annotations

from datetime import date, datetime
from enum import StrEnum, unique
from typing import Annotated, Literal

from pydantic import Field

from rulebook.messages.base import Hex, Message


@unique
class CardState(StrEnum):
    """A card in the card register."""

    PERSONALISED = "personalised"
    ACTIVE = "active"
    LOST = "lost"
    BLOCKED = "blocked"
    CLOSED = "closed"


@unique
class SamState(StrEnum):
    STOCK = "stock"
    PERSONALISED = "personalised"
    BOUND = "bound"
    LOST = "lost"


class CardFact(Message):
    """A card as others must know it. ``serial`` is 0x15[10..19]; ``chip_serial`` the last 8 historical bytes of the ATR
    (the social-security factor); ``person`` the token that InsuredFact uses; ``purse_limit_minor`` fen."""

    kind: Literal["card"] = "card"
    issuer: Hex
    serial: Hex
    chip_serial: Hex
    person: str
    product: str
    rider_class: str
    key_version: int
    valid_from: date
    valid_to: date
    purse_limit_minor: int
    state: CardState
    effective: datetime


class InsuredFact(Message):
    """A person's insurance, by token. ``insured_class`` is e.g. in_service, retired_under_70, retired_70_plus."""

    kind: Literal["insured"] = "insured"
    person: str
    fund: str
    insured_class: str
    effective: datetime


class SamFact(Message):
    """A PSAM. ``sam_serial`` is 10 bytes (file 15 of its MF), ``terminal_number`` 6 (file 16); ``device`` once bound."""

    kind: Literal["sam"] = "sam"
    sam_serial: Hex
    terminal_number: Hex
    issuer: Hex
    key_version: int
    device: str | None
    operator: str | None
    state: SamState


class DenyListFact(Message):
    """One change of the deny list (design.md, "Deny list")."""

    kind: Literal["deny"] = "deny"
    issuer: Hex
    serial: Hex
    denied: bool
    reported_at: datetime


Fact = Annotated[CardFact | InsuredFact | SamFact | DenyListFact, Field(discriminator="kind")]


class FeedItem(Message):
    """``number`` rises by one for each item, for ever."""

    number: int
    fact: Fact


class FeedPage(Message):
    """``GET /feed?after=N``: the next items in order; ``last`` is the newest number there is."""

    items: list[FeedItem]
    last: int
