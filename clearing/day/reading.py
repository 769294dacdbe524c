"""Journals read into parts: entries in columns."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import accumulate

import numpy as np

from clearing.day.entries import Reading, Sheet, clock_faults, in_order, paired
from clearing.day.kernel import DeviceNumbers
from clearing.day.model import Stretch
from clearing.day.parts import Part
from clearing.day.schema import Flags
from clearing.intake.rules import Range
from rulebook.record.columns import RECORD_DTYPE, Rows, picked

PART_RECORDS = 400_000
"""What is read at once. A device's journal is never parted: an outcome finds its intent there."""


PIECE_RECORDS = 8_000
"""What of it is in memory as records: 3.5 MB. From 4,000 to 16,000 it was equally quick (benchmarks/README.md)."""


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
