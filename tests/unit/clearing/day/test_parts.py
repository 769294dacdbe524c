"""A part's file gives back every bucket's rows, and says so when it was cut."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from clearing.day.fares import Fare
from clearing.day.keys import bucket_of
from clearing.day.parts import Part, PartFile, column_of, write_part
from clearing.day.schema import BUCKETS, ENTRY

FARES = {fare.name: fare for fare in (Fare(200, ()), Fare(100, (("concession-fund", 100),)))}
FAULTS = [(3, 7, 60, 30)]


def _part(rows: int, seed: int) -> Part:
    dice = np.random.default_rng(seed)
    whole = np.frombuffer(dice.bytes(rows * ENTRY.itemsize), ENTRY)
    columns = {name: np.ascontiguousarray(whole[name]) for name in ENTRY.names or ()}
    for name in ("load", "waiting"):
        columns[name] = dice.random(rows) < 0.5
    return Part(columns, FARES, FAULTS)


def test_every_bucket_comes_back(tmp_path: Path) -> None:
    parts = [_part(rows, seed) for seed, rows in enumerate((0, 1, 1000))]
    files = []
    for number, part in enumerate(parts):
        write_part(part, tmp_path / str(number))
        files.append(PartFile.open(tmp_path / str(number)))
    assert [(file.fares, file.faults, sum(file.counts)) for file in files] == [(FARES, FAULTS, n) for n in (0, 1, 1000)]
    for buckets in (range(BUCKETS), range(3, 5), range(15, 16)):
        for name in ENTRY.names or ():
            wanted = [p.entries[name][bucket_of(p.entries["key"]) == b].tobytes() for p in parts for b in buckets]
            assert column_of(files, name, buckets).tobytes() == b"".join(wanted), name


def test_a_file_that_was_cut_is_not_read_as_if_it_were_whole(tmp_path: Path) -> None:
    write_part(_part(1000, 1), tmp_path / "part")
    file = PartFile.open(tmp_path / "part")
    (tmp_path / "part").write_bytes((tmp_path / "part").read_bytes()[:5000])
    with pytest.raises(EOFError, match="before its column key"):
        column_of([file], "key", range(BUCKETS))
