"""Who of several operators gets which part of one ride's money. Pure.

Weights are exact and sum to one. Each operator gets its weight's part rounded down; what is left over, some fen, falls by
the declared residue rule, so that the parts always add up to the whole again.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum, unique
from fractions import Fraction
from math import lcm
from typing import TypeAlias

from rulebook.money import ZERO, Amount

Weights: TypeAlias = Mapping[str, Fraction]
"""Operator → part of one, in order of travel or of the table."""


class MalformedWeights(ValueError):
    """Weights that are no parts of one whole; says which and why."""


@unique
class Residue(StrEnum):
    """To whom the fen go that do not divide."""

    LARGEST_REMAINDER = "largest-remainder"  # one each to the largest lost fractions, the earlier operator on a tie
    FIRST = "first"  # all to the first operator: where the ride began
    LAST = "last"  # all to the last one: where it was paid


@dataclass(frozen=True, slots=True)
class Ridden:
    """A part of a ride on one operator's lines. ``fare_minor``: the base fare of the leg it belongs to (fen)."""

    operator: str
    metres: int
    leg: int = 0
    fare_minor: int = 0


@dataclass(frozen=True, slots=True)
class Path:
    """One way between two stations and how probable it is that a rider takes it."""

    ridden: tuple[Ridden, ...]
    probability: Fraction = Fraction(1)


def checked(weights: Weights) -> Weights:
    """Raises ``MalformedWeights`` unless none is below zero and they sum to one."""
    below = sorted(operator for operator, weight in weights.items() if weight < 0)
    if below:
        raise MalformedWeights(f"weights of {', '.join(below)} are below zero")
    total = sum(weights.values(), Fraction(0))
    if total != 1:
        raise MalformedWeights(f"weights of {', '.join(weights) or 'nobody'} sum to {total}; they must sum to 1")
    return weights


def by_metres(parts: Iterable[tuple[str, int]]) -> Weights:
    """(operator, metres) in order of travel. Raises ``MalformedWeights`` where there are none."""
    sums: dict[str, int] = {}
    for operator, part in parts:
        sums[operator] = sums.get(operator, 0) + part
    if not sums:
        raise MalformedWeights("nobody ran this ride")
    total = sum(sums.values())
    if total == 0:
        return {operator: Fraction(number == 0) for number, operator in enumerate(sums)}
    return {operator: Fraction(part, total) for operator, part in sums.items()}


def by_distance(ridden: Iterable[Ridden]) -> Weights:
    """By the metres on each operator's lines; a ride of no metres is its first operator's."""
    return by_metres((part.operator, part.metres) for part in ridden)


def by_leg(ridden: Iterable[Ridden]) -> Weights:
    """Each leg's base fare goes to who ran the leg, by distance where several did; a free ride goes by distance."""
    parts = tuple(ridden)
    fares = {part.leg: part.fare_minor for part in parts}
    whole = sum(fares.values())
    if whole == 0:
        return by_distance(parts)
    return _sum(
        (by_distance(part for part in parts if part.leg == leg), Fraction(fare, whole)) for leg, fare in fares.items()
    )


def by_path_probability(paths: Iterable[Path]) -> Weights:
    """By distance on each path, weighed by how probable it is. Raises ``MalformedWeights``."""
    every = tuple(paths)
    if sum(path.probability for path in every) != 1:
        raise MalformedWeights(
            f"probabilities of {len(every)} paths sum to {sum(path.probability for path in every)}; they must sum to 1"
        )
    return _sum((by_distance(path.ridden), path.probability) for path in every)


@dataclass(frozen=True, slots=True)
class Parts:
    """Weights as whole numbers that sum to ``whole``."""

    operators: tuple[str, ...]
    weights: tuple[int, ...]
    whole: int

    @classmethod
    def of(cls, weights: Weights) -> Parts:
        """Raises ``MalformedWeights``."""
        whole = lcm(*(weight.denominator for weight in checked(weights).values()))
        return cls(tuple(weights), tuple(int(weight * whole) for weight in weights.values()), whole)

    def split(self, minor: int, residue: Residue) -> tuple[int, ...]:
        """What each operator gets of ``minor``, which is not below zero; the values sum to it."""
        shares = [minor * weight // self.whole for weight in self.weights]
        left = minor - sum(shares)
        if left == 0:
            return tuple(shares)
        if residue is Residue.LARGEST_REMAINDER:
            lost = [minor * weight % self.whole for weight in self.weights]
            for place in sorted(range(len(lost)), key=lost.__getitem__, reverse=True)[:left]:
                shares[place] += 1
        else:
            shares[0 if residue is Residue.FIRST else -1] += left
        return tuple(shares)


def apportion(amount: Amount, weights: Weights, residue: Residue) -> dict[str, Amount]:
    """What each operator gets of ``amount`` (not below zero); the values sum to it. Raises ``MalformedWeights`` and
    ``ValueError``."""
    if amount < ZERO:
        raise ValueError(f"amount is {amount}; what is taken back is a transfer the other way")
    parts = Parts.of(weights)
    shares = parts.split(amount.minor, residue)
    return {name: Amount(share, amount.currency) for name, share in zip(parts.operators, shares, strict=True)}


def _sum(weighed: Iterable[tuple[Weights, Fraction]]) -> Weights:
    sums: dict[str, Fraction] = {}
    for weights, factor in weighed:
        for operator, weight in weights.items():
            sums[operator] = sums.get(operator, Fraction(0)) + weight * factor
    return sums
