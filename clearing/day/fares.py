"""Fares of a day, each named by its content: what it totals and who bears what of it."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
import pyarrow as pa

from clearing.day.schema import NOT_PRICEABLE, NOT_PRICED, PRICED, Columns, Flags
from clearing.fare_checks.bulk import Repricer
from clearing.fare_checks.rules import NotPriceable
from rulebook.record import Event
from rulebook.record.columns import Rows, picked
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

Facts: TypeAlias = tuple[int, int, int, int]
"""Pricing, total, concession and name."""


class Pricer:
    """Fares of many rows, piece by piece; what it has met once it need not describe again."""

    def __init__(self, tariffs: Mapping[int, Tariff]) -> None:
        self._repricer = Repricer(tariffs)
        self._known: list[tuple[Facts, Fare | None]] = []

    def columns(self, rows: Rows, wanted: Flags) -> tuple[Columns, dict[int, Fare]]:
        """``pricing``, ``expected``, ``concession`` and ``fare`` of ``rows`` where ``wanted``, and fares by name: at least
        those of ``rows``."""
        which = np.flatnonzero(wanted & ((rows["event"] == Event.RIDE) | (rows["event"] == Event.EXIT)))
        repriced = self._repricer.reprice(picked(rows, which))
        self._known += map(_described, repriced.fares[len(self._known) : repriced.known])
        met = [*self._known, *map(_described, repriced.fares[repriced.known :])]
        facts = np.array([numbers for numbers, _ in met] or np.empty((0, 4)), dtype=np.int64)
        columns = {name: np.zeros(len(rows), dtype=np.int64) for name in ("pricing", "expected", "concession", "fare")}
        for place, column in enumerate(columns.values()):
            column[which] = facts[repriced.index, place]
        pricing = columns["pricing"].astype(np.int8)
        return {**columns, "pricing": pricing}, {numbers[-1]: fare for numbers, fare in met if fare is not None}


def _described(priced: PricedFare | NotPriceable) -> tuple[Facts, Fare | None]:
    if isinstance(priced, NotPriceable):
        return (NOT_PRICEABLE, _NONE.total, _NONE.concession, _NONE.name), None
    fare = Fare.of(priced)
    return (PRICED, fare.total, fare.concession, fare.name), fare


assert NOT_PRICED == 0  # what a column begins as


def shares_table(fares: Mapping[int, Fare]) -> pa.Table:
    rows = [(name, bearer, share) for name, fare in sorted(fares.items()) for bearer, share in fare.shares]
    return pa.table([list(column) for column in zip(*rows, strict=True)] or [[], [], []], schema=SHARES)


def fares_to_json(fares: Mapping[int, Fare]) -> bytes:
    return json.dumps([[fare.total, fare.shares] for _, fare in sorted(fares.items())]).encode()


def fares_from_json(raw: bytes) -> dict[int, Fare]:
    fares = [Fare(total, tuple((bearer, share) for bearer, share in shares)) for total, shares in json.loads(raw)]
    return {fare.name: fare for fare in fares}


def merged(every: Iterable[Mapping[int, Fare]]) -> dict[int, Fare]:
    """Raises ``AssertionError`` should two fares ever have one name."""
    known: dict[int, Fare] = {}
    for fares in every:
        for name, fare in fares.items():
            assert known.setdefault(name, fare) == fare
    return known
