"""Shortest paths over the network of stations, split into legs by fare zone."""

from __future__ import annotations

import heapq
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TypeAlias

_Node: TypeAlias = tuple[str, str]  # zone, station
_Cost: TypeAlias = tuple[int, int]  # zone changes, metres


class NoFare(LookupError):
    """The tariff has no fare for this ride: a line or station it does not know, or no way between two stations."""


@dataclass(frozen=True, slots=True)
class Section:
    """Two neighbouring stations of a line, passable both ways."""

    zone: str
    from_station: str
    to_station: str
    metres: int
    line: str = ""


@dataclass(frozen=True, slots=True, order=True)
class Leg:
    """The part of a trip inside one fare zone."""

    zone: str
    metres: int


@dataclass(frozen=True, slots=True)
class _Way:
    """How a node is reached best. ``section`` is None at the start and where one changes without riding."""

    legs: tuple[Leg, ...]
    before: _Node | None = None
    section: Section | None = None


class Network:
    """Immutable; answers for one origin are computed once and kept (a pure function's memory).

    A trip changes zone as seldom as it can; among those it keeps to the zones that stand first in ``zones``, and is
    shortest among what is left: 三元桥 to 东直门 runs over the main network and not over the airport line."""

    def __init__(
        self, zones: Sequence[str], sections: Iterable[Section], virtual_transfers: Sequence[tuple[str, str]] = ()
    ) -> None:
        self._rank = {zone: rank for rank, zone in enumerate(zones)}
        self._links: dict[_Node, list[tuple[_Node, _Cost, Section | None]]] = {}
        self._zones_at: dict[str, list[str]] = {}
        for section in sections:
            here, there = (section.zone, section.from_station), (section.zone, section.to_station)
            self._link(here, there, (0, section.metres), section)
        self._link_zones()
        for first, second in virtual_transfers:
            self._link_transfer(first, second)
        self._from: dict[str, dict[_Node, _Way]] = {}

    def legs(self, entry: str, exit_: str) -> tuple[Leg, ...]:
        """The trip's legs in order of travel. Raises ``NoFare``."""
        end = self._end(entry, exit_)
        return self._from[entry][end].legs

    def sections(self, entry: str, exit_: str) -> tuple[Section, ...]:
        """What the trip that is priced rides over, in order of travel; of two alike the one declared first. Raises
        ``NoFare``."""
        ridden: list[Section] = []
        node: _Node | None = self._end(entry, exit_)
        while node is not None:
            way = self._from[entry][node]
            if way.section is not None:
                ridden.append(way.section)
            node = way.before
        return tuple(reversed(ridden))

    def _end(self, entry: str, exit_: str) -> _Node:
        """At which of the exit's nodes the trip ends."""
        for station in (entry, exit_):
            if station not in self._zones_at:
                raise NoFare(f"station {station} lies on no line with a fare")
        if entry not in self._from:
            self._from[entry] = self._paths(entry)
        found = self._from[entry]
        ends = [node for zone in self._zones_at[exit_] if (node := (zone, exit_)) in found]
        if not ends:
            raise NoFare(f"no line leads from station {entry} to {exit_}")
        return min(ends, key=lambda node: self._preference(found[node].legs))

    def _preference(self, legs: tuple[Leg, ...]) -> tuple[int, list[int], int]:
        return len(legs), [self._rank[leg.zone] for leg in legs], sum(leg.metres for leg in legs)

    def _link(self, first: _Node, second: _Node, cost: _Cost, section: Section | None = None) -> None:
        for here, there in ((first, second), (second, first)):
            self._links.setdefault(here, []).append((there, cost, section))
            if here[0] not in self._zones_at.setdefault(here[1], []):
                self._zones_at[here[1]].append(here[0])

    def _link_zones(self) -> None:
        for station, zones in list(self._zones_at.items()):
            for index, zone in enumerate(zones):
                for other in zones[index + 1 :]:
                    self._link((zone, station), (other, station), (1, 0))

    def _link_transfer(self, first: str, second: str) -> None:
        for zone in set(self._zones_at.get(first, ())) & set(self._zones_at.get(second, ())):
            self._link((zone, first), (zone, second), (0, 0))

    def _paths(self, entry: str) -> dict[_Node, _Way]:
        """Dijkstra's algorithm over (zone changes, metres)."""
        done: dict[_Node, _Way] = {}
        # The running number keeps ways from being compared; among equal ones the node decides, as it does without it.
        heap: list[tuple[_Cost, _Node, tuple[Leg, ...], int, _Way]] = []
        for zone in self._zones_at[entry]:
            start = _Way((Leg(zone, 0),))
            heapq.heappush(heap, ((0, 0), (zone, entry), start.legs, len(heap), start))
        pushed = len(heap)
        while heap:
            cost, node, legs, _, way = heapq.heappop(heap)
            if node in done:
                continue
            done[node] = way
            for there, (changes, metres), section in self._links[node]:
                if there not in done:
                    after = _Way(_travel(legs, there[0], metres), node, section)
                    pushed += 1
                    heapq.heappush(heap, ((cost[0] + changes, cost[1] + metres), there, after.legs, pushed, after))
        return done


def _travel(legs: tuple[Leg, ...], zone: str, metres: int) -> tuple[Leg, ...]:
    last = legs[-1]
    if last.zone == zone:
        return (*legs[:-1], Leg(zone, last.metres + metres))
    return (*legs, Leg(zone, metres))
