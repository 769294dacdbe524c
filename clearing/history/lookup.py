"""A card's cleared records over a period: from pieces, and from the cleared files themselves where no piece has been made."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from clearing.day.keys import bucket_of, keys_of
from clearing.day.moments import datetime_of
from clearing.day.schema import CARD_LENGTH, NO_TIME
from clearing.history.folding import pieces_on
from clearing.history.pieces import by_shelf, slice_between
from clearing.history.rules import ClearedRecord, newest_of_each
from clearing.verification.context import TransactionId
from clearing.verification.reasons import Reason
from rulebook.record import Event, Kind, Outcome

_EPOCH = date(1970, 1, 1)
_TRIES = 3
"""A piece may be merged into another, and go, between being listed and being opened."""


def card_history(
    results: Path, names: Iterable[str], card: bytes, first_day: date, last_day: date
) -> list[ClearedRecord]:
    """Every record of ``card`` (issuer id ‖ application serial, 18 bytes) of the business days from ``first_day`` to
    ``last_day``, by day and time, as the newest window ended it. ``names``: of the cleared files below ``results``, the oldest
    window's first; those of other buckets and months are not touched."""
    low, high = key_range(card)
    bucket = f"/{bucket_of_card(card):02}-"
    shelves = by_shelf(name for name in names if bucket in name)
    for _ in range(_TRIES):
        try:
            found = [
                _record(row)
                for shelf, sources in shelves.items()
                if first_day.replace(day=1) <= sources[0].month <= last_day
                for table in _of_shelf(results, shelf, [source.name for source in sources], low, high)
                for row in table.to_pylist()
                if row["card"] == card and first_day <= _day(row) <= last_day
            ]
        except FileNotFoundError as error:
            gone = error
        else:
            return sorted(newest_of_each(found), key=ClearedRecord.when)
    raise gone


def bucket_of_card(card: bytes) -> int:
    return int(bucket_of(np.array([key_range(card)[0]]))[0])


def key_range(card: bytes) -> tuple[int, int]:
    """The lowest and the highest key that a transaction of ``card`` can have."""
    twice = np.frombuffer(card * 2, f"V{CARD_LENGTH}")
    every_purse = np.array([0, 0xFF])
    low, high = keys_of(twice, every_purse, every_purse > 0, np.array([0, 0xFFFF])).tolist()
    return low, high


def _of_shelf(results: Path, shelf: str, names: Sequence[str], low: int, high: int) -> Iterator[pa.Table]:
    """In the order of windows, as far as rows of one key go."""
    missing = dict.fromkeys(names)
    pieces = pieces_on(results, shelf, names)
    try:
        place = {name: number for number, name in enumerate(names)}
        for piece in sorted(pieces, key=lambda piece: place[piece.sources[0]]):
            for name in piece.sources:
                del missing[name]
            yield pa.Table.from_batches(piece.between(low, high), piece.schema)
    finally:
        for piece in pieces:
            piece.close()
    for name in missing:
        yield slice_between(pq.read_table(results / name), low, high)


def _day(row: dict[str, Any]) -> date:
    return _EPOCH + timedelta(days=row["business_day"])


def _record(row: dict[str, Any]) -> ClearedRecord:
    card: bytes = row["card"]
    return ClearedRecord(
        transaction=TransactionId(card[:8], card[8:], row["purse"], row["load"], row["card_sequence"]),
        device=row["device"],
        sequence=row["sequence"],
        records=row["records"],
        kind=Kind(row["kind"]),
        event=Event(row["event"]),
        outcome=Outcome(row["outcome"]),
        amount_minor=row["amount"],
        balance_before_minor=row["balance_before"],
        at=None if row["at"] == NO_TIME else datetime_of(row["at"]),
        business_day=_day(row),
        line=row["line"].to_bytes(8).rstrip(b"\x00").decode("ascii"),
        operator=row["operated_by"],
        reason=Reason(row["reason"]),
        settled=row["settled"],
        held=row["held"],
        transfer=row["transfer"],
    )
