"""Why a ride is shared as it is: the parts of each operator, and the ways or metres they follow from. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from fractions import Fraction

from clearing.apportionment.agreement import Agreement, Agreements, Method
from clearing.apportionment.rules import Parts
from rulebook.tariff import Tariff


@dataclass(frozen=True, slots=True)
class Taken:
    """A way and how probable it is; ``metres`` on each line."""

    probability: Fraction
    metres: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class Explained:
    """``parts``: (operator, weight, fen), the fen summing to the fare. ``taken`` is empty where a table says the parts."""

    agreement: Agreement
    parts: tuple[tuple[str, Fraction, int], ...]
    taken: tuple[Taken, ...]


def explained(
    agreements: Agreements, tariff: Tariff, *, day: date, operator: str, origin: str, destination: str, minor: int
) -> Explained | None:
    """One ride that ``operator``'s gate charged; None where it is in no agreement on ``day``. Raises
    ``rulebook.tariff.NoFare`` and ``MalformedWeights``."""
    agreement = agreements.of(operator, day)
    if agreement is None:
        return None
    weights = agreement.weights(origin, destination, tariff, charged_by=operator)
    shares = Parts.of(weights).split(minor, agreement.residue)
    parts = tuple((name, weight, share) for (name, weight), share in zip(weights.items(), shares, strict=True))
    return Explained(agreement, parts, _taken(agreement, tariff, origin, destination))


def _taken(agreement: Agreement, tariff: Tariff, origin: str, destination: str) -> tuple[Taken, ...]:
    if agreement.method is Method.TABLE:
        return ()
    pair = agreement.declared(origin, destination)
    if pair is not None and pair.ways:
        return tuple(Taken(way.probability, way.metres) for way in pair.ways)
    metres: dict[str, int] = {}
    for section in tariff.network.sections(origin, destination):
        metres[section.line] = metres.get(section.line, 0) + section.metres
    return (Taken(Fraction(1), metres),) if metres else ()
