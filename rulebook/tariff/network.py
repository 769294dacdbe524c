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
    """Two neighbouring stations, passable both ways."""

    zone: str
    from_station: str
    to_station: str
    metres: int


@dataclass(frozen=True, slots=True, order=True)
class Leg:
    """The part of a trip inside one fare zone."""

    zone: str
    metres: int


class Network:
    """Immutable; answers for one origin are computed once and kept (a pure function's memory).

    A trip changes zone as seldom as it can; among those it keeps to the zones that stand first in ``zones``, and is
    shortest among what is left: 三元桥 to 东直门 runs over the main network and not over the airport line."""

    def __init__(
        self, zones: Sequence[str], sections: Iterable[Section], virtual_transfers: Sequence[tuple[str, str]] = ()
    ) -> None:
        self._rank = {zone: rank for rank, zone in enumerate(zones)}
        self._links: dict[_Node, list[tuple[_Node, _Cost]]] = {}
        self._zones_at: dict[str, list[str]] = {}
        for section in sections:
            self._link((section.zone, section.from_station), (section.zone, section.to_station), (0, section.metres))
        self._link_zones()
        for first, second in virtual_transfers:
            self._link_transfer(first, second)
        self._from: dict[str, dict[_Node, tuple[Leg, ...]]] = {}

    def legs(self, entry: str, exit_: str) -> tuple[Leg, ...]:
        """The trip's legs in order of travel. Raises ``NoFare``."""
        for station in (entry, exit_):
            if station not in self._zones_at:
                raise NoFare(f"station {station} lies on no line with a fare")
        if entry not in self._from:
            self._from[entry] = self._paths(entry)
        found = self._from[entry]
        ends = [found[node] for zone in self._zones_at[exit_] if (node := (zone, exit_)) in found]
        if not ends:
            raise NoFare(f"no line leads from station {entry} to {exit_}")
        return min(ends, key=self._preference)

    def _preference(self, legs: tuple[Leg, ...]) -> tuple[int, list[int], int]:
        return len(legs), [self._rank[leg.zone] for leg in legs], sum(leg.metres for leg in legs)

    def _link(self, first: _Node, second: _Node, cost: _Cost) -> None:
        for here, there in ((first, second), (second, first)):
            self._links.setdefault(here, []).append((there, cost))
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

    def _paths(self, entry: str) -> dict[_Node, tuple[Leg, ...]]:
        """Dijkstra's algorithm over (zone changes, metres)."""
        done: dict[_Node, tuple[Leg, ...]] = {}
        heap: list[tuple[_Cost, _Node, tuple[Leg, ...]]] = [
            ((0, 0), (zone, entry), (Leg(zone, 0),)) for zone in self._zones_at[entry]
        ]
        heapq.heapify(heap)
        while heap:
            cost, node, legs = heapq.heappop(heap)
            if node in done:
                continue
            done[node] = legs
            for there, (changes, metres) in self._links[node]:
                if there not in done:
                    after = _travel(legs, there[0], metres)
                    heapq.heappush(heap, ((cost[0] + changes, cost[1] + metres), there, after))
        return done


def _travel(legs: tuple[Leg, ...], zone: str, metres: int) -> tuple[Leg, ...]:
    last = legs[-1]
    if last.zone == zone:
        return (*legs[:-1], Leg(zone, last.metres + metres))
    return (*legs, Leg(zone, metres))
