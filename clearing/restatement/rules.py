"""A past period that was charged by a wrong tariff: what each ride comes to by the right one, and what that changes. Pure.

What a card was charged is history. By the right fare the holder is owed what was charged more (from the operator, as at
clearing), funds bear what that fare says they bear, and what was charged less is borne by whom the correction names. The fare
is priced with the card's own state as it was read at the tap: tiers that a month's wrong fares reached stay reached (ours).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from enum import StrEnum, unique

from clearing.day.fares import Fare
from clearing.day.posting import FareSet
from rulebook.tariff.tariff import OPERATOR

__all__ = ["OPERATOR", "Correction", "Kind", "Standing", "as_cleared", "changes", "restated"]


@unique
class Kind(StrEnum):
    """What a difference is."""

    REFUND = "refund"  # the operator owes the holder what was charged more
    SUBSIDY = "subsidy"  # a fund bears more, or less, of the fare
    LOSS = "loss"  # what was charged less, borne by somebody
    SHARE = "share"  # another operator's part of it, in a shared network


@dataclass(frozen=True, slots=True, kw_only=True)
class Correction:
    """Rides of business days ``first_day`` to ``last_day`` should have been charged by ``tariff_version``, whatever version
    their terminals had. ``lines`` and ``operators``: only those; empty means all. ``borne_by``: who bears what was charged
    less, ``OPERATOR`` or a participant. ``through_window``: the last window whose records are restated; what came later is
    for a later restatement."""

    number: str
    first_day: date
    last_day: date
    tariff_version: int
    borne_by: str
    through_window: int
    lines: frozenset[str] = field(default_factory=frozenset)
    operators: frozenset[str] = field(default_factory=frozenset)

    def covers(self, rides: FareSet, window: int) -> bool:
        """Whether fares of that set, cleared in ``window``, are restated."""
        return (
            self.first_day <= rides.business_day <= self.last_day
            and window <= self.through_window
            and (not self.lines or rides.line in self.lines)
            and (not self.operators or rides.operator in self.operators)
        )


@dataclass(frozen=True, slots=True)
class Standing:
    """What one ride has come to, fen. ``paid``: charged to the card, less what the holder is owed back. ``shares``: what funds
    bear. ``losses``: who bears how much of what was charged less."""

    paid: int
    shares: Mapping[str, int]
    losses: Mapping[str, int]


def as_cleared(amount: int, fare: Fare | None, *, granted: bool) -> Standing:
    """As the window left it (``clearing.day.posting``). ``fare``: by the version the terminal reported, None where it could not
    be priced. ``granted``: the card register knows the class by which a fund pays."""
    if fare is None:
        return Standing(amount, {}, {})
    return Standing(
        min(amount, fare.total), dict(fare.shares) if granted else {}, _borne(OPERATOR, fare.total - amount)
    )


def restated(standing: Standing, fare: Fare | None, *, granted: bool, borne_by: str) -> Standing:
    """By the right fare; as it stood where that cannot be priced. What a holder is owed already stays owed."""
    if fare is None:
        return standing
    paid = min(standing.paid, fare.total)
    return Standing(paid, dict(fare.shares) if granted else {}, _borne(borne_by, fare.total - paid))


def changes(before: Standing, after: Standing) -> dict[tuple[Kind, str], int]:
    """Fen by kind and bearer, nothing that is nil. A refund has no bearer but the operator, which is left out."""
    found = {(Kind.REFUND, ""): before.paid - after.paid}
    for kind, old, new in ((Kind.SUBSIDY, before.shares, after.shares), (Kind.LOSS, before.losses, after.losses)):
        found |= {(kind, bearer): new.get(bearer, 0) - old.get(bearer, 0) for bearer in old.keys() | new.keys()}
    return {key: minor for key, minor in found.items() if minor}


def _borne(bearer: str, minor: int) -> dict[str, int]:
    return {bearer: minor} if minor > 0 else {}
