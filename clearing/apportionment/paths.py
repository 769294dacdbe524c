"""Which ways riders take between two stations, worked out from the network: what a path-probability agreement declares. Pure.

Nobody sees a rider change trains inside the network; the operators agree on a computed table instead. The search and the choice
are ours: the ways are the shortest one, and what is shortest when the sections used before are made longer; a way is taken in
proportion to its length to the power of ``-STEEPNESS`` (Kirchhoff's law of distribution), in thousandths.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from fractions import Fraction
from typing import TypeAlias

from clearing.apportionment.rules import Parts, Residue
from rulebook.tariff.network import Section

CHANGE_METRES = 1500
"""What a change of lines is worth in metres ridden."""
STEEPNESS = 8
ROUNDS = 4
_LONGER = Fraction(13, 10)
_AT_MOST = Fraction(6, 5)
"""A way of more than so many times the shortest one is nobody's."""
THOUSAND = 1000

_At: TypeAlias = tuple[str, str]
"""Station, line; no line before the first section."""


@dataclass(frozen=True, slots=True)
class Way:
    """``metres`` on each line, in order of travel. ``length``: these and the changes."""

    metres: Mapping[str, int]
    length: int


@dataclass(frozen=True, slots=True)
class Ways:
    """Sections of one fare zone, passable both ways; stations of ``transfers`` count as one."""

    sections: tuple[Section, ...]
    transfers: tuple[tuple[str, str], ...] = ()
    _next: dict[str, list[tuple[str, int]]] = field(init=False)

    def __post_init__(self) -> None:
        leads: dict[str, list[tuple[str, int]]] = {}
        for number, section in enumerate(self.sections):
            leads.setdefault(section.from_station, []).append((section.to_station, number))
            leads.setdefault(section.to_station, []).append((section.from_station, number))
        for one, other in self.transfers:
            leads.setdefault(one, []).append((other, _ON_FOOT))
            leads.setdefault(other, []).append((one, _ON_FOOT))
        object.__setattr__(self, "_next", leads)

    def between(self, entry: str, exit_: str) -> tuple[Way, ...]:
        """The shortest first; none where no line leads there."""
        costs = [section.metres for section in self.sections]
        found: dict[tuple[str, ...], Way] = {}
        for _ in range(ROUNDS):
            ridden = self._shortest(entry, exit_, costs)
            if not ridden:
                break
            way = self._way(ridden)
            found.setdefault(tuple(way.metres), way)
            for number in ridden:
                costs[number] = int(costs[number] * _LONGER)
        ways = sorted(found.values(), key=lambda way: (way.length, tuple(way.metres)))
        return tuple(way for way in ways if way.length <= ways[0].length * _AT_MOST)

    def _way(self, ridden: Iterable[int]) -> Way:
        metres: dict[str, int] = {}
        lines: list[str] = []
        for section in (self.sections[number] for number in ridden):
            metres[section.line] = metres.get(section.line, 0) + section.metres
            if lines[-1:] != [section.line]:
                lines.append(section.line)
        return Way(metres, sum(metres.values()) + CHANGE_METRES * (len(lines) - 1))

    def _shortest(self, entry: str, exit_: str, costs: list[int]) -> list[int]:
        """Dijkstra's algorithm; the sections in order of travel."""
        came: dict[_At, tuple[_At, int]] = {}
        best: dict[_At, int] = {(entry, ""): 0}
        heap: list[tuple[int, _At]] = [(0, (entry, ""))]
        while heap:
            cost, at = heapq.heappop(heap)
            if at[0] == exit_:
                return _back(came, at)
            if cost > best[at]:
                continue
            for station, number in self._next.get(at[0], ()):
                there, after = self._onward(at, cost, station, number, costs)
                if after < best.get(there, after + 1):
                    best[there], came[there] = after, (at, number)
                    heapq.heappush(heap, (after, there))
        return []

    def _onward(self, at: _At, cost: int, station: str, number: int, costs: list[int]) -> tuple[_At, int]:
        if number == _ON_FOOT:
            return (station, at[1]), cost
        line = self.sections[number].line
        change = CHANGE_METRES if at[1] not in ("", line) else 0
        return (station, line), cost + costs[number] + change


_ON_FOOT = -1


def _back(came: Mapping[_At, tuple[_At, int]], at: _At) -> list[int]:
    ridden = []
    while at in came:
        at, number = came[at]
        if number != _ON_FOOT:
            ridden.append(number)
    return ridden[::-1]


def probabilities(ways: Iterable[Way]) -> tuple[Fraction, ...]:
    """They sum to one."""
    lengths = [way.length for way in ways]
    exact = [Fraction(min(lengths), length) ** STEEPNESS for length in lengths]
    total = sum(exact)
    parts = Parts.of({str(place): part / total for place, part in enumerate(exact)})
    return tuple(Fraction(part, THOUSAND) for part in parts.split(THOUSAND, Residue.LARGEST_REMAINDER))
