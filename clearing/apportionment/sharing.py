"""A window's fares of shared networks: what the operators whose gates charged them owe the others. Pure.

Each ride is split by itself and rides that are alike are multiplied, so that it does not matter which window they come in.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import date

from clearing.apportionment.agreement import Agreement, Agreements
from clearing.apportionment.rules import MalformedWeights, Parts
from clearing.ledger.accounts import TRANSIT, Kind, code
from clearing.ledger.rules import Purpose, Transfer
from rulebook.money import Amount
from rulebook.tariff import NoFare, Tariff


@dataclass(frozen=True, slots=True, order=True)
class Rides:
    """``count`` rides from ``origin`` to ``destination`` that brought ``operator``, whose gate charged them, ``each_minor`` fen
    apiece: out of value on cards, or where there is a ``bearer`` as the concession that it bears."""

    business_day: date
    operator: str
    origin: str
    destination: str
    bearer: str
    each_minor: int
    count: int


@dataclass(frozen=True, slots=True, order=True)
class Unshared:
    """Rides that stay whole with who charged them, for ``why``."""

    rides: Rides
    why: str


@dataclass(frozen=True, slots=True)
class Sharing:
    """``transfers`` in order of their ids, one for each business day, pair of operators and bearer; ``unshared`` in order."""

    transfers: tuple[Transfer, ...]
    unshared: tuple[Unshared, ...]


def shared(window: int, rides: Iterable[Rides], *, agreements: Agreements, tariffs: Mapping[int, Tariff]) -> Sharing:
    """Each ride goes by the agreement of its operator and the tariff that were in force on its business day; without an
    agreement it is its operator's. Raises ``ValueError`` for less than nothing."""
    shares = _Shares(agreements, tariffs)
    unshared = []
    for one in rides:
        if one.each_minor < 0:
            raise ValueError(f"each_minor is {one.each_minor}; what is taken back is a transfer the other way")
        try:
            debts = shares.debts(one)
        except (MalformedWeights, NoFare) as error:
            unshared.append(Unshared(one, str(error)))
            continue
        for debt, minor in debts:
            debt.add(minor, one.count)
    transfers = [debt.transfer(window, agreements.version) for debt in shares.every]
    return Sharing(tuple(sorted(transfers, key=lambda transfer: transfer.id)), tuple(sorted(unshared)))


@dataclass(slots=True)
class _Debt:
    business_day: date
    debtor: str
    creditor: str
    bearer: str
    agreement: str
    minor: int = 0
    count: int = 0

    def add(self, each_minor: int, count: int) -> None:
        self.minor += each_minor * count
        self.count += count

    def transfer(self, window: int, version: int) -> Transfer:
        parts = ("shared", f"{window:06}", f"{self.business_day:%F}", self.debtor, self.creditor, self.bearer)
        return Transfer(
            id=":".join(filter(None, parts)),
            book=TRANSIT,
            debit=code(Kind.OPERATOR_PAYABLE, self.debtor),
            credit=code(Kind.OPERATOR_PAYABLE, self.creditor),
            amount=Amount(self.minor),
            purpose=Purpose.APPORTIONMENT,
            business_day=self.business_day,
            reference=f"agreements v{version}; {self.agreement}; {self.count} records",
        )


@dataclass(slots=True)
class _Shares:
    """Remembers what was worked out before."""

    agreements: Agreements
    tariffs: Mapping[int, Tariff]
    _terms: dict[tuple[str, date], _Terms | None] = field(default_factory=dict)
    _debts: dict[tuple[date, str, str, str], _Debt] = field(default_factory=dict)

    @property
    def every(self) -> Iterable[_Debt]:
        return self._debts.values()

    def debts(self, one: Rides) -> list[tuple[_Debt, int]]:
        """Fen of a single ride. Raises ``MalformedWeights`` and ``NoFare``."""
        key = (one.operator, one.business_day)
        if key not in self._terms:
            self._terms[key] = self._in_force(*key)
        terms = self._terms[key]
        if terms is None:
            return []
        parts = terms.parts(one.origin, one.destination)
        minors = parts.split(one.each_minor, terms.agreement.residue)
        shares = zip(parts.operators, minors, strict=True)
        return [
            (self._debt(one, creditor, terms), minor)
            for creditor, minor in shares
            if minor and creditor != one.operator
        ]

    def _debt(self, one: Rides, creditor: str, terms: _Terms) -> _Debt:
        key = (one.business_day, one.operator, one.bearer, creditor)
        if key not in self._debts:
            self._debts[key] = _Debt(one.business_day, one.operator, creditor, one.bearer, terms.agreement.named)
        return self._debts[key]

    def _in_force(self, operator: str, day: date) -> _Terms | None:
        agreement = self.agreements.of(operator, day)
        return None if agreement is None else _Terms(agreement, operator, self._tariff_on(day))

    def _tariff_on(self, day: date) -> Tariff:
        """Of those in force the newest. Raises ``NoFare``."""
        in_force = [version for version, tariff in self.tariffs.items() if tariff.in_force_on(day)]
        if not in_force:
            raise NoFare(f"no tariff is in force on {day}")
        return self.tariffs[max(in_force)]


@dataclass(slots=True)
class _Terms:
    """How rides that ``charged_by`` charged are shared on a day."""

    agreement: Agreement
    charged_by: str
    tariff: Tariff
    _parts: dict[tuple[str, str], Parts] = field(default_factory=dict)

    def parts(self, origin: str, destination: str) -> Parts:
        """Raises ``MalformedWeights`` and ``NoFare``."""
        key = (origin, destination)
        found = self._parts.get(key)
        if found is None:
            weights = self.agreement.weights(origin, destination, self.tariff, charged_by=self.charged_by)
            found = self._parts[key] = Parts.of(weights)
        return found
