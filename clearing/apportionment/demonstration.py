"""The demonstration's agreement (ours): Metro 2 runs lines 4, 14, 16 and 17 of Beijing's network, all gates are Metro's. Its
metres follow from the distances in ``rulebook/tariff/beijing`` (source and licence there).

``python -m clearing.apportionment.demonstration > clearing/apportionment/demonstration.json`` works the table out again.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Iterator
from datetime import date
from fractions import Fraction
from importlib.resources import files
from itertools import combinations
from typing import Any

from clearing.apportionment.paths import Way, Ways, probabilities
from rulebook.tariff.demonstration import demonstration_document
from rulebook.tariff.network import Section

SECOND_OPERATORS_LINES = frozenset({"04", "14", "16", "17"})
EFFECTIVE_FROM = date(2026, 9, 15)
ZONE = "main"
_APART = Fraction(7, 10)
"""Declared are pairs of interchanges between which the second operator's part of one way and of another differ by so much."""


def demonstration_agreements() -> dict[str, Any]:
    """As shipped."""
    document: dict[str, Any] = json.loads((files(__package__) / "demonstration.json").read_bytes())
    return document


def computed() -> dict[str, Any]:
    """Worked out from the network, in some ten seconds."""
    network = demonstration_document()
    ways = network_ways(network)
    pairs = [pair for entry, exit_ in combinations(_interchanges(ways), 2) for pair in declared(ways, entry, exit_)]
    rail = sorted({section["line"] for section in network["sections"]})
    agreement = {
        "name": "metro",
        "effective_from": str(EFFECTIVE_FROM),
        "method": "path-probability",
        "residue": "largest-remainder",
        "operator_of_line": {line: "metro-2" if line in SECOND_OPERATORS_LINES else "metro" for line in rail},
        "pairs": pairs,
    }
    return {"version": 1, "agreements": [agreement]}


def network_ways(network: dict[str, Any]) -> Ways:
    """Of a tariff document, the zone that several operators share."""
    lines = {line["code"] for line in network["lines"] if line["zone"] == ZONE}
    sections = (
        Section(ZONE, s["from_station"], s["to_station"], s["metres"], s["line"])
        for s in network["sections"]
        if s["line"] in lines
    )
    transfers = ((pair["from_station"], pair["to_station"]) for pair in network["virtual_transfers"])
    return Ways(tuple(sections), tuple(transfers))


def declared(ways: Ways, entry: str, exit_: str) -> Iterator[dict[str, Any]]:
    """The pair, where it makes a difference which way was taken."""
    found = ways.between(entry, exit_)
    parts = [_second_operators(way) for way in found]
    if parts and max(parts) - min(parts) >= _APART:
        chances = zip(found, probabilities(found), strict=True)
        taken = [{"probability": str(chance), "metres": dict(way.metres)} for way, chance in chances]
        yield {"entry": entry, "exit": exit_, "ways": taken}


def _second_operators(way: Way) -> Fraction:
    theirs = sum(metres for line, metres in way.metres.items() if line in SECOND_OPERATORS_LINES)
    return Fraction(theirs, sum(way.metres.values()))


def _interchanges(ways: Ways) -> Iterable[str]:
    lines: dict[str, set[str]] = {}
    for section in ways.sections:
        for station in (section.from_station, section.to_station):
            lines.setdefault(station, set()).add(section.line)
    return sorted(station for station, at in lines.items() if len(at) > 1)


def _main() -> None:
    """A line for each pair."""
    document = computed()
    (agreement,) = document["agreements"]
    pairs = ",\n    ".join(json.dumps(pair) for pair in agreement.pop("pairs"))
    head = json.dumps(document, indent=2).removesuffix("\n    }\n  ]\n}")
    sys.stdout.write(f'{head},\n      "pairs": [\n    {pairs}\n  ]}}]\n}}\n')


if __name__ == "__main__":
    _main()
