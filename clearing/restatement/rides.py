"""Settled rides of a business day read back from the cleared records, with the records themselves out of the raw journals."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from clearing.apportionment.agreement import Agreements
from clearing.day.entries import rider_number
from clearing.day.keys import bucket_of
from clearing.day.model import Register, Stretch
from clearing.day.posting import FareSet
from clearing.day.schema import CARD_LENGTH, Columns, Flags, arrow_column, columns_of_table, taken
from rulebook.record import Event
from rulebook.record.columns import RECORD_DTYPE, Rows
from rulebook.tariff import RiderClass, Tariff

CHUNK = 200_000
"""Rides worked at once: their records are in memory."""


@dataclass(frozen=True, slots=True)
class ClearedFile:
    """Records of one business day and bucket that ``window`` cleared: ``cleared/<day>/<bucket>-<hash>.parquet``."""

    window: int
    path: Path

    @property
    def business_day(self) -> date:
        return date.fromisoformat(self.path.parent.name)


@dataclass(frozen=True, slots=True)
class WindowFacts:
    """What a window was frozen on. ``operators``: by device. ``register``: its cards. ``agreements``: by which fares of shared
    networks were split, on the network of ``tariffs``."""

    operators: Mapping[str, str]
    register: Register
    agreements: Agreements
    tariffs: Mapping[int, Tariff]


@dataclass(frozen=True, slots=True)
class Rides:
    """Columns of equal length: ``key``, ``card``, ``purse``, ``card_sequence``, ``amount``, ``set`` (which of ``sets``, each
    with its window) and ``device`` (which of ``devices``), ``sequence`` of the record that the TAC covers."""

    columns: Columns
    sets: Sequence[tuple[int, FareSet]]
    devices: Sequence[str]

    def __len__(self) -> int:
        return len(self.columns["key"])

    def chunks(self, size: int = CHUNK) -> Iterator[Rides]:
        for first in range(0, len(self), size):
            part = {name: column[first : first + size] for name, column in self.columns.items()}
            yield Rides(part, self.sets, self.devices)

    def picked(self, which: NDArray[Any]) -> Rides:
        """Some, by flags or numbers."""
        return Rides(taken(self.columns, which), self.sets, self.devices)

    def records(self, journals: Mapping[str, Sequence[Stretch]]) -> Rows:
        """One for each ride. ``journals``: by device. Raises ``LookupError`` where one is in none of them."""
        rows = np.zeros(len(self), RECORD_DTYPE)
        whole = rows.view(np.dtype(f"V{RECORD_DTYPE.itemsize}"))
        found = np.zeros(len(self), dtype=np.bool_)
        for stretch, which in self._lying_in(journals):
            sequences = self.columns["sequence"][which]
            shape = (stretch.count,)
            lie = np.memmap(stretch.path, dtype=whole.dtype, mode="r", offset=stretch.offset, shape=shape)
            whole[which] = lie[sequences - stretch.first]
            found[which] = True
        if not found.all():
            row = int(np.flatnonzero(~found)[0])
            device = self.devices[self.columns["device"][row]]
            raise LookupError(f"record {self.columns['sequence'][row]} of {device} is in no raw journal")
        return rows

    def _lying_in(self, journals: Mapping[str, Sequence[Stretch]]) -> Iterator[tuple[Stretch, slice]]:
        """Rides are in order of device and sequence, so those of a stretch lie together."""
        device, sequence = self.columns["device"], self.columns["sequence"]
        for number in np.unique(device).tolist():
            start, end = np.searchsorted(device, [number, number + 1])
            for stretch in journals.get(self.devices[number], ()):
                edges = [stretch.first, stretch.first + stretch.count]
                first, last = (start + np.searchsorted(sequence[start:end], edges)).tolist()
                if last > first:
                    yield stretch, slice(first, last)

    def granted(self, rows: Rows, facts: Mapping[int, WindowFacts]) -> Flags:
        """Where the register of the ride's window knows the class that the card said: only then a fund pays."""
        windows = np.array([window for window, _ in self.sets], dtype=np.int64)[self.columns["set"]]
        buckets = bucket_of(self.columns["key"])
        registered = np.full(len(self), -1, dtype=np.int8)
        for window, bucket in sorted(set(zip(windows.tolist(), buckets.tolist(), strict=True))):
            which = np.flatnonzero((windows == window) & (buckets == bucket))
            registered[which] = _registered(self.columns["card"][which], facts[window].register.cards(bucket))
        granted: Flags = registered == _RIDER_OF_CODE[rows["card_class"]]
        return granted


_RIDER_OF_CODE = np.array([rider_number(str(RiderClass.of_code(code))) for code in range(256)], dtype=np.int8)


def _registered(card: NDArray[np.void], cards: pa.Table) -> NDArray[np.int8]:
    """Numbers of the rider classes, -1 for a card that is not there."""
    place = pc.index_in(
        arrow_column(card), value_set=cards.column("card").combine_chunks().cast(pa.binary(CARD_LENGTH))
    )
    classes = cards.column("rider_class").take(place.fill_null(0)) if len(cards) else pa.nulls(len(card), pa.string())
    numbers = [rider_number(name) if name else -1 for name in classes.to_pylist()]
    known = place.is_valid().to_numpy(zero_copy_only=False)
    return np.where(known, np.array(numbers, dtype=np.int8), np.int8(-1))


_RIDES = pa.schema(
    [
        ("key", pa.int64()),
        ("card", pa.binary(CARD_LENGTH)),
        ("purse", pa.int16()),
        ("card_sequence", pa.int32()),
        ("amount", pa.int64()),
        ("line", pa.int64()),
        ("business_day", pa.int32()),
        ("window", pa.int64()),
        ("device", pa.string()),
        ("sequence", pa.int64()),
    ]
)
# What proves a ride may be another terminal's finding; the ride is the intent's.
_SELECT = """
SELECT key, card, purse, card_sequence, amount, line, business_day, f."window",
    CASE WHEN intent_device = '' THEN device ELSE intent_device END AS device,
    CASE WHEN intent_device = '' THEN sequence ELSE intent_sequence END AS sequence
FROM read_parquet($1, filename = true) AS c JOIN files AS f ON f.name = c.filename
WHERE settled AND NOT load AND event IN (SELECT unnest($2))
ORDER BY device, sequence, f."window"
"""
_PRICED = [int(Event.RIDE), int(Event.EXIT)]
_EPOCH = date(1970, 1, 1)


def settled_rides(files: Sequence[ClearedFile], facts: Mapping[int, WindowFacts]) -> Rides:
    """Every settled ride of ``files``, in order of device and journal sequence."""
    names = [str(file.path) for file in files]
    with duckdb.connect() as connection:
        connection.register("files", pa.table({"name": names, "window": [file.window for file in files]}))
        found = connection.sql(_SELECT, params=[names, _PRICED]).to_arrow_table()
    return _rides(found.select(_RIDES.names).cast(_RIDES).combine_chunks(), facts)


def _rides(table: pa.Table, facts: Mapping[int, WindowFacts]) -> Rides:
    encoded = table.column("device").combine_chunks().dictionary_encode()
    devices = encoded.dictionary.to_pylist()
    columns = columns_of_table(table.drop_columns(["device"]))
    columns["device"] = encoded.indices.to_numpy().astype(np.int64)
    keys, which = distinct([columns.pop("window"), columns.pop("business_day"), columns.pop("line"), columns["device"]])
    sets = [_set_of(*key, devices=devices, facts=facts) for key in keys]
    numbers = {each: number for number, each in enumerate(sorted(set(sets)))}
    columns["set"] = np.array([numbers[each] for each in sets], dtype=np.int64)[which]
    return Rides(columns, list(numbers), devices)


def distinct(columns: Sequence[NDArray[Any]]) -> tuple[list[tuple[int, ...]], NDArray[np.int64]]:
    """The distinct rows of integer ``columns``, and which of them each row is."""
    code = np.zeros(len(columns[0]), dtype=np.int64)
    for column in columns:
        distinct, place = np.unique(column, return_inverse=True)
        code = code * len(distinct) + place.reshape(-1)
    _, first, which = np.unique(code, return_index=True, return_inverse=True)
    return [tuple(int(column[row]) for column in columns) for row in first.tolist()], which.reshape(-1)


def _set_of(
    window: int, day: int, line: int, device: int, *, devices: Sequence[str], facts: Mapping[int, WindowFacts]
) -> tuple[int, FareSet]:
    name = line.to_bytes(8).rstrip(b"\x00").decode("ascii")
    operator = facts[window].operators[devices[device]]
    return window, FareSet(_EPOCH + timedelta(days=day), operator, name)
