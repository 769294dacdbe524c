"""What the operators of a shared network have agreed on, as a document with effective dates, checked whole when it is read."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from enum import StrEnum, unique
from fractions import Fraction
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from clearing.apportionment.rules import (
    MalformedWeights,
    Path,
    Residue,
    Ridden,
    Weights,
    by_distance,
    by_leg,
    by_path_probability,
    checked,
)
from rulebook.rate import Rate
from rulebook.tariff import Tariff
from rulebook.tariff.network import Section


class MalformedAgreement(ValueError):
    """The document is no agreement; ``faults`` lists everything that is wrong with it."""

    def __init__(self, faults: list[str]) -> None:
        super().__init__("; ".join(faults))
        self.faults = tuple(faults)


@unique
class Method(StrEnum):
    LEG = "leg"  # each leg's own fare to who ran it
    DISTANCE = "distance"  # metres on the way that is priced
    PATH_PROBABILITY = "path-probability"  # metres on each declared way, by how many take it
    TABLE = "table"  # declared parts


Metres = Annotated[int, Field(ge=0, strict=True)]


class _Closed(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class _Way(_Closed):
    """``metres`` on each line, in order of travel."""

    probability: Rate
    metres: dict[str, Metres]


class _Pair(_Closed):
    """Declared for one pair of stations, both ways round. With method table ``parts``, with path-probability ``ways``."""

    entry: str
    exit: str
    parts: dict[str, Rate] = {}
    ways: tuple[_Way, ...] = ()


class Agreement(_Closed):
    """In force from ``effective_from`` until a newer one is. ``operator_of_line``: who runs each line of the shared network.
    ``default_parts`` are for pairs that ``pairs`` does not name (method table only; with path-probability such a pair goes by
    the way that is priced)."""

    version: Annotated[int, Field(ge=1, strict=True)]
    effective_from: date
    method: Method
    residue: Residue
    operator_of_line: dict[str, str]
    default_parts: dict[str, Rate] = {}
    pairs: tuple[_Pair, ...] = ()

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
            raise ValueError("; ".join(sorted(faults)))
        return self

    def weights(self, entry: str, exit_: str, tariff: Tariff, *, charged_by: str) -> Weights:
        """Who gets which part of a ride; in and out at one station it is whose gate charged it. Raises
        ``rulebook.tariff.NoFare`` and ``MalformedWeights``."""
        pair = self._pair(entry, exit_)
        if self.method is Method.TABLE:
            return pair.parts if pair else self.default_parts
        if self.method is Method.PATH_PROBABILITY and pair:
            return by_path_probability(Path(self._on_lines(way.metres), way.probability) for way in pair.ways)
        ridden = self._ridden(entry, exit_, tariff)
        if not ridden:
            return {charged_by: Fraction(1)}
        return by_leg(ridden) if self.method is Method.LEG else by_distance(ridden)

    def operators(self) -> frozenset[str]:
        """Everybody who can get a part."""
        tables = (self.default_parts, *(pair.parts for pair in self.pairs))
        return frozenset(self.operator_of_line.values()) | {operator for parts in tables for operator in parts}

    def _pair(self, entry: str, exit_: str) -> _Pair | None:
        return next((pair for pair in self.pairs if {pair.entry, pair.exit} == {entry, exit_}), None)

    def _on_lines(self, metres: Mapping[str, int]) -> tuple[Ridden, ...]:
        return tuple(Ridden(self.operator_of_line[line], length) for line, length in metres.items())

    def _ridden(self, entry: str, exit_: str, tariff: Tariff) -> tuple[Ridden, ...]:
        legs = tariff.network.legs(entry, exit_)
        ridden: list[Ridden] = []
        at = 0
        for section in tariff.network.sections(entry, exit_):
            while legs[at].zone != section.zone:
                at += 1
            fare_minor = tariff.zones[section.zone].fare_minor(legs[at].metres)
            ridden.append(Ridden(self._operator(section), section.metres, at, fare_minor))
        return tuple(ridden)

    def _operator(self, section: Section) -> str:
        try:
            return self.operator_of_line[section.line]
        except KeyError:
            raise MalformedWeights(f"line {section.line} has no operator in operator_of_line") from None


def load_agreement(document: Mapping[str, Any]) -> Agreement:
    """Raises ``MalformedAgreement`` with every fault found."""
    try:
        return Agreement.model_validate(dict(document))
    except ValidationError as error:
        raise MalformedAgreement(
            [f"{'.'.join(map(str, fault['loc'])) or 'document'}: {fault['msg']}" for fault in error.errors()]
        ) from error


def in_force(agreements: Mapping[int, Agreement], day: date) -> Agreement:
    """Of those that have begun the one that began last, the higher version on a tie. Raises ``LookupError``."""
    begun = [agreement for agreement in agreements.values() if agreement.effective_from <= day]
    if not begun:
        raise LookupError(f"no agreement on shared rides is in force on {day}")
    return max(begun, key=lambda agreement: (agreement.effective_from, agreement.version))


def _faults(name: str, parts: Mapping[str, Fraction], wanted: bool) -> list[str]:
    if not wanted:
        return [f"{name}: only method table has parts"] if parts else []
    try:
        checked(parts)
    except MalformedWeights as error:
        return [f"{name}: {error}"]
    return []
