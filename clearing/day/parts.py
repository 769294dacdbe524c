"""What was read of some journals, in memory and as a file of a run's stages: bucket by bucket, column after column."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from clearing.day.fares import Fare, fares_from_json, fares_to_json
from clearing.day.keys import bucket_of
from clearing.day.schema import BUCKETS, ENTRY, Columns

_ALIGNED = 64
_LENGTH = 8


@dataclass(frozen=True, slots=True)
class Part:
    """``entries``: the columns of ``ENTRY``. ``faults``: (device, journal sequence, local second before, local second) of
    clocks that went back."""

    entries: Columns
    fares: dict[int, Fare]
    faults: list[tuple[int, int, int, int]]


def write_part(part: Part, path: Path) -> None:
    """What is no column stands at the end, as JSON, and its length in bytes, big-endian, behind it."""
    bucket = bucket_of(part.entries["key"])
    order = np.argsort(bucket.astype(np.int16), kind="stable")
    counts = np.bincount(bucket, minlength=BUCKETS).tolist()
    rest = json.dumps({"counts": counts, "fares": fares_to_json(part.fares), "faults": part.faults}).encode()
    with path.open("wb") as file:
        for name, place in _places(len(order)).items():
            file.seek(place)
            file.write(np.take(part.entries[name], order).view(np.uint8).data)
        file.write(rest + len(rest).to_bytes(_LENGTH))


@dataclass(frozen=True, slots=True)
class PartFile:
    """A part as written. ``counts``: rows in each bucket."""

    path: Path
    counts: tuple[int, ...]
    fares: dict[int, Fare]
    faults: list[tuple[int, int, int, int]]

    @classmethod
    def open(cls, path: Path) -> PartFile:
        with path.open("rb") as file:
            end = file.seek(-_LENGTH, 2)
            file.seek(end - int.from_bytes(file.read(_LENGTH)))
            rest = json.loads(file.read()[:-_LENGTH])
        faults = [(fault[0], fault[1], fault[2], fault[3]) for fault in rest["faults"]]
        return cls(path, tuple(rest["counts"]), fares_from_json(rest["fares"]), faults)

    def read_into(self, column: NDArray[Any], name: str, buckets: range) -> None:
        """Column ``name`` of these buckets; ``column`` has as many rows. Raises ``EOFError`` where the file is shorter."""
        first = sum(self.counts[: buckets.start]) * ENTRY[name].itemsize
        with self.path.open("rb", buffering=0) as file:
            file.seek(_places(sum(self.counts))[name] + first)
            if file.readinto(column.view(np.uint8).data) != column.nbytes:
                raise EOFError(f"{self.path} ends before its column {name}")


def column_of(parts: Sequence[PartFile], name: str, buckets: range) -> NDArray[Any]:
    """Of all ``parts``, one below the other."""
    counts = [sum(part.counts[buckets.start : buckets.stop]) for part in parts]
    column = np.empty(sum(counts), ENTRY[name])
    for part, count, end in zip(parts, counts, accumulate(counts), strict=True):
        part.read_into(column[end - count : end], name, buckets)
    return column


def _places(rows: int) -> dict[str, int]:
    """Where each column begins."""
    lengths = [-(-rows * ENTRY[name].itemsize // _ALIGNED) * _ALIGNED for name in ENTRY.names or ()]
    return dict(zip(ENTRY.names or (), accumulate(lengths, initial=0), strict=False))
