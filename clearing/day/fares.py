"""Fares of a day, each named by its content: what it totals and who bears what of it."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from clearing.day.schema import NOT_PRICEABLE, NOT_PRICED, PRICED, Columns, Flags
from clearing.fare_checks.bulk import Repricer
from rulebook.record import Event
from rulebook.record.columns import Rows, picked
from rulebook.tariff import PricedFare
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


def fare_columns(rows: Rows, wanted: Flags, repricer: Repricer) -> tuple[Columns, dict[int, Fare]]:
    """``pricing``, ``expected``, ``concession`` and ``fare`` of ``rows`` where ``wanted``, and the fares by name."""
    which = np.flatnonzero(wanted & ((rows["event"] == Event.RIDE) | (rows["event"] == Event.EXIT)))
    repriced = repricer.reprice(picked(rows, which))
    fares = [Fare.of(fare) if isinstance(fare, PricedFare) else None for fare in repriced.fares]
    facts = np.array([_facts(fare) for fare in fares] or np.empty((0, 4)), dtype=np.int64)
    columns = {name: np.zeros(len(rows), dtype=np.int64) for name in ("pricing", "expected", "concession", "fare")}
    for place, column in enumerate(columns.values()):
        column[which] = facts[repriced.index, place]
    pricing = columns["pricing"].astype(np.int8)
    return {**columns, "pricing": pricing}, {fare.name: fare for fare in fares if fare is not None}


def _facts(fare: Fare | None) -> tuple[int, int, int, int]:
    known = fare or _NONE
    return (PRICED if fare else NOT_PRICEABLE, known.total, known.concession, known.name)


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
