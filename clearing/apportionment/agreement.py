"""What operators of shared networks have agreed on: agreements with effective dates, a document checked whole when read."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from datetime import date
from enum import StrEnum, unique
from fractions import Fraction
from functools import cached_property
from itertools import combinations
from typing import Annotated, Any

from pydantic import Field, model_validator

from clearing.apportionment.rules import (
    MalformedWeights,
    Path,
    Residue,
    Ridden,
    Weights,
    by_leg,
    by_metres,
    by_path_probability,
    checked,
)
from clearing.participants.effective import ONE_DAY, Closed, Document, MalformedDocument, Terms, read
from rulebook.rate import Rate
from rulebook.tariff import Tariff
from rulebook.tariff.network import Leg, Section


@unique
class Method(StrEnum):
    LEG = "leg"  # each leg's own fare to who ran it
    DISTANCE = "distance"  # metres on the way that is priced
    PATH_PROBABILITY = "path-probability"  # metres on each declared way, by how many take it
    TABLE = "table"  # declared parts


Metres = Annotated[int, Field(ge=0, strict=True)]


class DeclaredWay(Closed):
    """``metres`` on each line, in order of travel."""

    probability: Rate
    metres: dict[str, Metres]


class Pair(Closed):
    """Declared for one pair of stations, both ways round. With method table ``parts``, with path-probability ``ways``."""

    entry: str
    exit: str
    parts: dict[str, Rate] = Field(default_factory=dict)
    ways: tuple[DeclaredWay, ...] = ()


class Agreement(Terms):
    """``operator_of_line``: who runs each line of the shared network. ``default_parts`` are for pairs that ``pairs`` does not
    name (method table only; with path-probability such a pair goes by the way that is priced)."""

    name: Annotated[str, Field(pattern=r"^[a-z][a-z0-9-]{0,39}$")]
    method: Method
    residue: Residue
    operator_of_line: dict[str, str]
    default_parts: dict[str, Rate] = Field(default_factory=dict)
    pairs: tuple[Pair, ...] = ()

    @model_validator(mode="after")
    def _parts_are_wholes(self) -> Agreement:
        faults = [*_faults("default_parts", self.default_parts, self.method is Method.TABLE)]
        for pair in self.pairs:
            name = f"pairs {pair.entry}–{pair.exit}"
            faults += _faults(f"{name}: parts", pair.parts, self.method is Method.TABLE)
            if self.method is Method.PATH_PROBABILITY and sum(way.probability for way in pair.ways) != 1:
                faults.append(f"{name}: the probabilities of its ways must sum to 1")
            lines = sorted({line for way in pair.ways for line in way.metres} - set(self.operator_of_line))
            faults += [f"{name}: line {line} has no operator in operator_of_line" for line in lines]
        ends = [frozenset((pair.entry, pair.exit)) for pair in self.pairs]
        faults += [f"pairs {'–'.join(sorted(end))} is there more than once" for end in set(ends) if ends.count(end) > 1]
        if faults:
            raise ValueError(f"agreement {self.name}: " + "; ".join(sorted(faults)))
        return self

    @property
    def named(self) -> str:
        return f"agreement {self.name} from {self.effective_from}"

    def weights(self, entry: str, exit_: str, tariff: Tariff, *, charged_by: str) -> Weights:
        """Who gets which part of a ride; in and out at one station it is whose gate charged it. Raises
        ``rulebook.tariff.NoFare`` and ``MalformedWeights``."""
        pair = self.declared(entry, exit_)
        if self.method is Method.TABLE:
            return pair.parts if pair else self.default_parts
        if self.method is Method.PATH_PROBABILITY and pair:
            return by_path_probability(Path(self._on_lines(way.metres), way.probability) for way in pair.ways)
        sections = tariff.network.sections(entry, exit_)
        if not sections:
            return {charged_by: Fraction(1)}
        if self.method is Method.LEG:
            return by_leg(self._ridden(sections, tariff.network.legs(entry, exit_), tariff))
        return by_metres((self._operator(section), section.metres) for section in sections)

    def operators(self) -> frozenset[str]:
        """Everybody who can get a part."""
        tables = (self.default_parts, *(pair.parts for pair in self.pairs))
        return frozenset(self.operator_of_line.values()) | {operator for parts in tables for operator in parts}

    def declared(self, entry: str, exit_: str) -> Pair | None:
        """What the agreement says of this pair of stations itself."""
        return self._declared.get(frozenset((entry, exit_)))

    @cached_property
    def _declared(self) -> Mapping[frozenset[str], Pair]:
        return {frozenset((pair.entry, pair.exit)): pair for pair in self.pairs}

    def _on_lines(self, metres: Mapping[str, int]) -> tuple[Ridden, ...]:
        return tuple(Ridden(self.operator_of_line[line], length) for line, length in metres.items())

    def _ridden(self, sections: Iterable[Section], legs: Sequence[Leg], tariff: Tariff) -> Iterator[Ridden]:
        """Each section with the base fare of its leg."""
        fares = [tariff.zones[leg.zone].fare_minor(leg.metres) for leg in legs]
        at = 0
        for section in sections:
            while legs[at].zone != section.zone:
                at += 1
            yield Ridden(self._operator(section), section.metres, at, fares[at])

    def _operator(self, section: Section) -> str:
        try:
            return self.operator_of_line[section.line]
        except KeyError:
            raise MalformedWeights(f"line {section.line} has no operator in operator_of_line") from None


class Agreements(Document):
    """All agreements of a city. No operator is in two on one day."""

    agreements: tuple[Agreement, ...] = ()

    @model_validator(mode="after")
    def _none_overlap(self) -> Agreements:
        ordered = sorted(self.agreements, key=lambda agreement: (agreement.effective_from, agreement.name))
        faults = [
            f"agreements {before.name} and {after.name} overlap on {after.effective_from} for {', '.join(both)}; end the"
            f" earlier one on {after.effective_from - ONE_DAY}"
            for before, after in combinations(ordered, 2)
            if (both := sorted(before.operators() & after.operators())) and before.meets(after)
        ]
        if faults:
            raise ValueError("; ".join(faults))
        return self

    @property
    def terms(self) -> tuple[Agreement, ...]:
        return self.agreements

    def of(self, operator: str, day: date) -> Agreement | None:
        """The one in force on ``day`` in which ``operator`` takes part."""
        return next((a for a in self.agreements if a.in_force_on(day) and operator in a.operators()), None)


def load_agreements(document: Mapping[str, Any], *, operators: Collection[str], tariff: Tariff) -> Agreements:
    """``operators``: who can be paid fares. ``tariff``: of the network as it is. Raises ``MalformedDocument`` with every fault
    found, a name that is nobody's among them."""
    agreements = read(document, Agreements)
    if faults := sorted({fault for each in agreements.agreements for fault in _strangers(each, operators, tariff)}):
        raise MalformedDocument(faults)
    return agreements


def _strangers(agreement: Agreement, operators: Collection[str], tariff: Tariff) -> Iterator[str]:
    stations = {station for pair in agreement.pairs for station in (pair.entry, pair.exit)}
    named = (
        (agreement.operators() - set(operators), "is no operator that is paid fares"),
        (stations - set(tariff.stations), "is no station of the tariff"),
        (set(agreement.operator_of_line) - set(tariff.lines), "is no line of the tariff"),
    )
    for strangers, fault in named:
        yield from (f"agreement {agreement.name}: {name} {fault}" for name in strangers)


def _faults(name: str, parts: Mapping[str, Fraction], wanted: bool) -> list[str]:
    if not wanted:
        return [f"{name}: only method table has parts"] if parts else []
    try:
        checked(parts)
    except MalformedWeights as error:
        return [f"{name}: {error}"]
    return []
