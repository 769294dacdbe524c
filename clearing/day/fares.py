"""Fares of a day, each named by its content: what it totals and who bears what of it."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
import pyarrow as pa

from clearing.day.schema import NOT_PRICEABLE, NOT_PRICED, PRICED, Columns, Numbers
from clearing.fare_checks.bulk import Repricer
from clearing.fare_checks.rules import NotPriceable
from rulebook.record.columns import Rows
from rulebook.tariff import PricedFare, Tariff
from rulebook.tariff.tariff import OPERATOR

SHARES = pa.schema([("fare", pa.int64()), ("bearer", pa.string()), ("share", pa.int64())])


@dataclass(frozen=True, slots=True)
class Fare:
    """``shares``: (bearer, fen) of each that bears a part and is not the operator, in order of bearers."""

    total: int
    shares: tuple[tuple[str, int], ...]

    @classmethod
    def of(cls, priced: PricedFare) -> Fare:
        shares = ((bearer, share.minor) for bearer, share in sorted(priced.shares.items()) if bearer != OPERATOR)
        return cls(priced.total.minor, tuple(shares))

    @property
    def name(self) -> int:
        """63 bits of SHA-256, so that it does not matter who meets the fare first."""
        content = json.dumps([self.total, self.shares]).encode()
        return int.from_bytes(hashlib.sha256(content).digest()[:8]) >> 1

    @property
    def concession(self) -> int:
        return sum(minor for _, minor in self.shares)


_NONE = Fare(0, ())

_ASKED = ("pricing", "expected", "concession", "fare")

Facts: TypeAlias = tuple[int, int, int, int]
"""What is asked: pricing, total, concession and name."""


class Pricer:
    """Fares of many rows, piece by piece; what it has met once it need not describe again. ``fares``: all it has met."""

    def __init__(self, tariffs: Mapping[int, Tariff]) -> None:
        self._repricer = Repricer(tariffs)
        self._known = np.empty((0, len(_ASKED)), dtype=np.int64)
        self.fares: dict[int, Fare] = {}

    def price(self, rows: Rows, which: Numbers, columns: Columns, to: Numbers) -> None:
        """``pricing``, ``expected``, ``concession`` and ``fare`` of rows ``which``, into rows ``to`` of ``columns``."""
        repriced = self._repricer.reprice(rows, which)
        self._known = np.concatenate([self._known, self._facts(repriced.fares[len(self._known) : repriced.known])])
        facts = np.concatenate([self._known, self._facts(repriced.fares[repriced.known :])])
        for place, name in enumerate(_ASKED):
            columns[name][to] = np.take(facts[:, place], repriced.index)

    def _facts(self, fares: Sequence[PricedFare | NotPriceable]) -> Numbers:
        described = [_described(fare) for fare in fares]
        self.fares |= {facts[-1]: fare for facts, fare in described if fare is not None}
        return np.array([facts for facts, _ in described], dtype=np.int64).reshape(len(described), len(_ASKED))


def _described(priced: PricedFare | NotPriceable) -> tuple[Facts, Fare | None]:
    if isinstance(priced, NotPriceable):
        return (NOT_PRICEABLE, _NONE.total, _NONE.concession, _NONE.name), None
    fare = Fare.of(priced)
    return (PRICED, fare.total, fare.concession, fare.name), fare


assert NOT_PRICED == 0  # what a column begins as


def shares_table(fares: Mapping[int, Fare]) -> pa.Table:
    rows = [(name, bearer, share) for name, fare in sorted(fares.items()) for bearer, share in fare.shares]
    return pa.table([list(column) for column in zip(*rows, strict=True)] or [[], [], []], schema=SHARES)


def fares_to_json(fares: Mapping[int, Fare]) -> list[Any]:
    return [[fare.total, fare.shares] for _, fare in sorted(fares.items())]


def fares_from_json(written: list[Any]) -> dict[int, Fare]:
    fares = [Fare(total, tuple((bearer, share) for bearer, share in shares)) for total, shares in written]
    return {fare.name: fare for fare in fares}


def merged(every: Iterable[Mapping[int, Fare]]) -> dict[int, Fare]:
    """Raises ``AssertionError`` should two fares ever have one name."""
    known: dict[int, Fare] = {}
    for fares in every:
        for name, fare in fares.items():
            assert known.setdefault(name, fare) == fare
    return known
