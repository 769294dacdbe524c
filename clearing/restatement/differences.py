"""The rules over columns: rides of a business day repriced in bulk, and what changes, summed to the entries that say it.

``restated`` of ``rules`` is the definition; a property test holds both equal.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TypeAlias

import numpy as np
import pyarrow as pa

from clearing.day.fares import Fare
from clearing.day.posting import FareSet
from clearing.day.schema import CARD_LENGTH, Flags, Numbers, arrow, taken
from clearing.fare_checks.bulk import Repricer
from clearing.restatement.rides import Rides, WindowFacts
from clearing.restatement.rules import OPERATOR, Correction, Kind
from clearing.restatement.sharing import Alike, alike, shareable
from rulebook.record.columns import Rows, picked
from rulebook.tariff import PricedFare, Tariff

Key: TypeAlias = tuple[int, Kind, str]
"""Which set of original fares, what changes, and who bears it: a fund, or who has the loss."""

REFUND = pa.schema([("set", pa.int64()), ("card", pa.binary(CARD_LENGTH)), ("minor", pa.int64())])


@dataclass(frozen=True, slots=True)
class Corrections:
    """``earlier``: restatements that are in the ledger, in their order; ``now``: the one at hand."""

    earlier: tuple[Correction, ...]
    now: Correction

    @property
    def every(self) -> tuple[Correction, ...]:
        return (*self.earlier, self.now)


@dataclass(slots=True)
class Differences:
    """``minor`` and ``rides``: fen and how many rides, by key. ``refunds``: ``REFUND``, a row for each ride. ``alike``: rides
    of shared networks that changed. ``unpriceable``: rides that stay as they are."""

    minor: Counter[Key] = field(default_factory=Counter)
    rides: Counter[Key] = field(default_factory=Counter)
    refunds: list[pa.Table] = field(default_factory=list)
    alike: Counter[Alike] = field(default_factory=Counter)
    unpriceable: int = 0

    def add(self, other: Differences) -> None:
        self.minor.update(other.minor)
        self.rides.update(other.rides)
        self.refunds += other.refunds
        self.alike.update(other.alike)
        self.unpriceable += other.unpriceable


@dataclass(slots=True)
class Standings:
    """``rules.Standing`` of many rides. ``fare``: which of ``Fares.known`` says what funds bear; -1: none. ``split``: what is
    shared of a ride between two stations, but for what funds bear: at its close a window shares what was charged."""

    paid: Numbers
    split: Numbers
    fare: Numbers
    losses: dict[str, Numbers]

    def copy(self) -> Standings:
        losses = {who: minor.copy() for who, minor in self.losses.items()}
        return Standings(self.paid.copy(), self.split.copy(), self.fare.copy(), losses)


class Fares:
    """Numbers for the fares met, and rows priced as if their terminals had had another version."""

    def __init__(self, tariffs: Mapping[int, Tariff]) -> None:
        self._repricer = Repricer(tariffs)
        self._number: dict[Fare, int] = {}
        self.known: list[Fare] = []

    def of(self, rows: Rows, version: int | None = None) -> Numbers:
        """Of each row, by ``version`` or the one its terminal reported; -1 where it cannot be priced."""
        if version is not None:
            rows = picked(rows, np.arange(len(rows)))
            rows["tariff_version"] = version
        repriced = self._repricer.reprice(rows)
        numbers = [self._of(Fare.of(fare)) if isinstance(fare, PricedFare) else -1 for fare in repriced.fares]
        return np.array(numbers or [-1], dtype=np.int64)[repriced.index]

    def totals(self, fares: Numbers) -> Numbers:
        return np.array([*(fare.total for fare in self.known), 0], dtype=np.int64)[fares]

    def bearing(self) -> Flags:
        """Of each known fare, whether somebody else than the operator bears a part; nobody does of none."""
        return np.array([*(bool(fare.shares) for fare in self.known), False], dtype=np.bool_)

    def _of(self, fare: Fare) -> int:
        if fare not in self._number:
            self._number[fare] = len(self.known)
            self.known.append(fare)
        return self._number[fare]


@dataclass(frozen=True, slots=True)
class Compared:
    """Rides before and after, with their records."""

    rides: Rides
    rows: Rows
    before: Standings
    after: Standings
    priceable: Flags

    @property
    def impact(self) -> Numbers:
        """How much each is worth a look: fen that the holder gets or somebody loses."""
        bearers = sorted(self.before.losses.keys() | self.after.losses.keys())
        moved = [self.before.paid - self.after.paid]
        moved += [np.abs(_of(self.after, bearer) - _of(self.before, bearer)) for bearer in bearers]
        impact: Numbers = np.sum(np.stack(moved), axis=0, dtype=np.int64)
        return impact


def compared(rides: Rides, rows: Rows, corrections: Corrections, fares: Fares) -> Compared:
    """``rides`` are covered by ``corrections.now``; ``rows`` are their records."""
    standings = _as_cleared(rides.columns["amount"], fares.of(rows), fares)
    for correction in corrections.earlier:
        if (which := covered_sets(rides.sets, correction)[rides.columns["set"]]).any():
            _restate(standings, fares.of(rows, correction.tariff_version), which, correction.borne_by, fares)
    before = standings.copy()
    right = fares.of(rows, corrections.now.tariff_version)
    _restate(standings, right, np.ones(len(rides), dtype=np.bool_), corrections.now.borne_by, fares)
    return Compared(rides, rows, before, standings, right >= 0)


def _as_cleared(amount: Numbers, fare: Numbers, fares: Fares) -> Standings:
    total = np.where(fare >= 0, fares.totals(fare), amount)
    split = np.where(fare >= 0, amount, 0)
    return Standings(np.minimum(amount, total), split, fare, {OPERATOR: np.maximum(total - amount, 0)})


def _restate(standings: Standings, fare: Numbers, which: Flags, borne_by: str, fares: Fares) -> None:
    """In place, where ``which`` and the fare is known."""
    which = which & (fare >= 0)
    total = fares.totals(fare)
    standings.paid = np.where(which, np.minimum(standings.paid, total), standings.paid)
    standings.losses.setdefault(borne_by, np.zeros(len(fare), dtype=np.int64))
    for bearer, minor in standings.losses.items():
        theirs = total - standings.paid if bearer == borne_by else 0
        standings.losses[bearer] = np.where(which, theirs, minor)
    given = sum((minor for bearer, minor in standings.losses.items() if bearer != OPERATOR), np.int64(0))
    standings.split = np.where(which, standings.paid + given, standings.split)
    standings.fare = np.where(which, fare, standings.fare)


def differences(one: Compared, facts: Mapping[int, WindowFacts], fares: Fares) -> Differences:
    found = Differences(unpriceable=int((~one.priceable).sum()))
    _refunds(one, found)
    _losses(one, found)
    sharing = shareable(one.rides.sets, facts)
    found.alike.update(alike(one.rides, one.rows, one.before.split, one.after.split, "", sharing))
    _subsidies(one, facts, fares, found, sharing)
    return found


def _refunds(one: Compared, found: Differences) -> None:
    minor = one.before.paid - one.after.paid
    which = np.flatnonzero(minor)
    of_ride = taken({name: one.rides.columns[name] for name in ("set", "card")}, which) | {"minor": minor[which]}
    found.refunds.append(arrow(of_ride).cast(REFUND))


def _losses(one: Compared, found: Differences) -> None:
    for bearer in sorted(one.before.losses.keys() | one.after.losses.keys()):
        minor = _of(one.after, bearer) - _of(one.before, bearer)
        _summed(one.rides, minor, Kind.LOSS, bearer, found)


def _subsidies(
    one: Compared, facts: Mapping[int, WindowFacts], fares: Fares, found: Differences, sharing: Flags
) -> None:
    """Only of rides by whose class a fund pays."""
    bearing = fares.bearing()
    changed = np.flatnonzero((one.before.fare != one.after.fare) & (bearing[one.before.fare] | bearing[one.after.fare]))
    if not len(changed):
        return
    some = one.rides.picked(changed)
    rows = picked(one.rows, changed)
    granted = some.granted(rows, facts)
    shares = [dict(fare.shares) for fare in fares.known] + [{}]
    before, after = one.before.fare[changed], one.after.fare[changed]
    for bearer in sorted({bearer for each in shares for bearer in each}):
        of_fare = np.array([each.get(bearer, 0) for each in shares], dtype=np.int64)
        was, is_ = (np.where(granted, of_fare[fare], 0) for fare in (before, after))
        _summed(some, is_ - was, Kind.SUBSIDY, bearer, found)
        found.alike.update(alike(some, rows, was, is_, bearer, sharing))


def _summed(rides: Rides, minor: Numbers, kind: Kind, whom: str, found: Differences) -> None:
    which = np.flatnonzero(minor)
    of_set = rides.columns["set"][which]
    sums = np.zeros(len(rides.sets), dtype=np.int64)
    np.add.at(sums, of_set, minor[which])
    counts = np.bincount(of_set, minlength=len(rides.sets))
    for number in np.flatnonzero(counts).tolist():
        key = (number, kind, whom)
        found.minor[key] += int(sums[number])
        found.rides[key] += int(counts[number])


def _of(standings: Standings, bearer: str) -> Numbers:
    nothing = np.zeros(len(standings.paid), dtype=np.int64)
    return standings.losses.get(bearer, nothing)


def covered_sets(sets: Sequence[tuple[int, FareSet]], correction: Correction) -> Flags:
    return np.array([correction.covers(of_set, window) for window, of_set in sets], dtype=np.bool_)
