"""Journals read into parts: entries in columns, bucket by bucket, each part a file of its own."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate
from pathlib import Path

import numpy as np
import pyarrow as pa

from clearing.day.entries import Reading, Sheet, clock_faults, in_order, paired
from clearing.day.fares import Fare, fares_from_json, fares_to_json
from clearing.day.kernel import DeviceNumbers
from clearing.day.keys import bucket_of
from clearing.day.model import Stretch
from clearing.day.schema import BUCKETS, Columns, Flags, Numbers, arrow, columns_of_table, taken
from clearing.intake.rules import Range
from rulebook.record.columns import RECORD_DTYPE, Rows, picked

PART_RECORDS = 400_000
"""What is read at once. A device's journal is never parted: an outcome finds its intent there."""


PIECE_RECORDS = 8_000
"""What of it is in memory as records: 3.5 MB. From 4,000 to 16,000 it was equally quick (benchmarks/README.md)."""


@dataclass(frozen=True, slots=True)
class Part:
    """``faults``: (device, journal sequence, local second before, local second) of clocks that went back."""

    entries: Columns
    fares: dict[int, Fare]
    faults: list[tuple[int, int, int, int]]


def parts_of(stretches: Iterable[Stretch], size: int = PART_RECORDS) -> Iterator[list[Stretch]]:
    """In order of device, each of some ``size`` records."""
    part: list[Stretch] = []
    records = 0
    for stretch in sorted(set(stretches)):
        if records >= size and stretch.device != part[-1].device:
            yield part
            part, records = [], 0
        part.append(stretch)
        records += stretch.count
    if part:
        yield part


def read_part(
    stretches: Sequence[Stretch],
    *,
    device_numbers: Mapping[str, int],
    covered: Mapping[str, Sequence[Range]],
    reading: Reading,
    waiting: bool = False,
) -> Part:
    """``covered``: journal sequences that came in earlier windows and are not taken again."""
    pieces = list(parts_of(stretches, PIECE_RECORDS))
    counts = [sum(stretch.count for stretch in piece) for piece in pieces]
    place = np.empty(max(counts, default=0), RECORD_DTYPE)
    sheet = Sheet(sum(counts), reading)
    faults = []
    for piece, count in zip(pieces, counts, strict=True):
        rows, device = _in_order(piece, device_numbers, covered, place[:count])
        sheet.enter(rows, device, *paired(rows, device))
        faults += [] if waiting else clock_faults(rows, device)
    entries = sheet.entries()
    entries["waiting"][:] = waiting
    return Part(entries, dict(reading.pricer.fares), faults)


def _in_order(
    stretches: Sequence[Stretch],
    device_numbers: Mapping[str, int],
    covered: Mapping[str, Sequence[Range]],
    rows: Rows,
) -> tuple[Rows, DeviceNumbers]:
    """Each record of at least one stretch once, by (device, journal sequence). They are read into ``rows``."""
    counts = [stretch.count for stretch in stretches]
    for stretch, end in zip(stretches, accumulate(counts), strict=True):
        stretch.read_into(rows[end - stretch.count : end])
    numbers = [device_numbers[stretch.device] for stretch in stretches]
    device = np.repeat(np.array(numbers, dtype=np.int32), counts)
    known = _known(stretches, covered)
    if not known.any() and in_order(rows, device):
        return rows, device
    ids = device.astype(np.int64) << 32 | rows["journal_sequence"]
    _, first = np.unique(ids, return_index=True)
    first = first[~known[first]]
    return picked(rows, first), device[first]


def _known(stretches: Sequence[Stretch], covered: Mapping[str, Sequence[Range]]) -> Flags:
    """Records that came before."""
    known = np.zeros(sum(stretch.count for stretch in stretches), dtype=np.bool_)
    start = 0
    for stretch in stretches:
        for first, last in covered.get(stretch.device, ()):
            inside = slice(max(first - stretch.first, 0), max(last + 1 - stretch.first, 0))
            known[start : start + stretch.count][inside] = True
        start += stretch.count
    return known


def write_part(part: Part, path: Path) -> None:
    """An Arrow file with one record batch for each bucket."""
    bucket = bucket_of(_keys(part.entries))
    order = np.argsort(bucket.astype(np.int16), kind="stable")
    table = arrow(taken(part.entries, order))
    ends = np.searchsorted(bucket[order], np.arange(BUCKETS), side="right").tolist()
    schema = table.schema.with_metadata({"fares": fares_to_json(part.fares), "faults": json.dumps(part.faults)})
    with pa.OSFile(str(path), "wb") as sink, pa.ipc.new_file(sink, schema) as writer:
        for first, last in zip([0, *ends], ends, strict=False):
            writer.write_batch(table.slice(first, last - first).to_batches()[0] if last > first else _no_rows(schema))


def _no_rows(schema: pa.Schema) -> pa.RecordBatch:
    return pa.RecordBatch.from_pylist([], schema=schema)


def _keys(entries: Columns) -> Numbers:
    return entries["key"].astype(np.int64, copy=False)


@dataclass(frozen=True, slots=True)
class PartFile:
    """A part as written. ``counts``: rows in each bucket."""

    path: Path
    counts: tuple[int, ...]
    fares: dict[int, Fare]
    faults: list[tuple[int, int, int, int]]

    @classmethod
    def open(cls, path: Path) -> PartFile:
        with pa.OSFile(str(path)) as source, pa.ipc.open_file(source) as file:
            counts = tuple(file.get_batch(bucket).num_rows for bucket in range(BUCKETS))
            kept = file.schema.metadata
        faults = [(fault[0], fault[1], fault[2], fault[3]) for fault in json.loads(kept[b"faults"])]
        return cls(path, counts, fares_from_json(kept[b"fares"]), faults)

    def entries(self, buckets: range) -> list[Columns]:
        """Of each bucket; numbers are the file's own bytes, and are in memory when somebody looks at them."""
        with pa.memory_map(str(self.path)) as source, pa.ipc.open_file(source) as file:
            batches = [file.get_batch(bucket) for bucket in buckets]
        return [columns_of_table(pa.Table.from_batches([batch])) for batch in batches]
