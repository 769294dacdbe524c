"""Cleared records once more, laid out so that one card's are found without reading the others'.

A *piece* is an Arrow file with the rows of one or many cleared files of one month and one bucket, sorted by key, in small
compressed batches: a card's are found by bisection over the batches' keys. Its footer says which cleared files it has. Pieces
are made from cleared files and can be made again; whoever looks up trusts only those whose every cleared file he was told of.
"""

from __future__ import annotations

import os
import uuid
from bisect import bisect_left
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from types import TracebackType
from typing import Self

import numpy as np
import pyarrow as pa

FOLDER = "history"
BATCH_ROWS = 1024

_SOURCES = b"sources"
_KEY = "key"


@dataclass(frozen=True, slots=True)
class Source:
    """A cleared file by its name, as ``clearing.day.run.Workshop`` gives it."""

    name: str
    business_day: date
    bucket: int

    @classmethod
    def of(cls, name: str) -> Source:
        """Raises ``ValueError`` for a name that no cleared file has."""
        _, day, file = name.split("/")
        return cls(name, date.fromisoformat(day), int(file[:2]))

    @property
    def month(self) -> date:
        """Its first day."""
        return self.business_day.replace(day=1)

    @property
    def shelf(self) -> str:
        """The folder of its pieces, below the results' folder."""
        return f"{FOLDER}/{self.business_day:%Y-%m}/{self.bucket:02}"


def by_shelf(names: Iterable[str]) -> dict[str, list[Source]]:
    """In the order of ``names`` within each shelf."""
    found: dict[str, list[Source]] = {}
    for source in map(Source.of, names):
        found.setdefault(source.shelf, []).append(source)
    return found


class Piece:
    """An open piece; close it, or use it in ``with``."""

    def __init__(self, path: Path) -> None:
        """Raises ``FileNotFoundError``."""
        self.path = path
        self._file = pa.memory_map(str(path))
        self._rows = pa.ipc.open_file(self._file, options=pa.ipc.IpcReadOptions(use_threads=False))
        only_keys = pa.ipc.IpcReadOptions(included_fields=[self._rows.schema.get_field_index(_KEY)], use_threads=False)
        self._keys = pa.ipc.open_file(self._file, options=only_keys)
        self.sources = tuple(self._rows.metadata[_SOURCES].decode().split("\n"))
        self.schema = self._rows.schema

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()

    def close(self) -> None:
        self._file.close()

    @property
    def rows(self) -> int:
        count: int = self._rows.count_rows()
        return count

    @property
    def first_key(self) -> int:
        key: int = self._keys.get_batch(0).column(0)[0].as_py()
        return key

    def between(self, low: int, high: int) -> Iterator[pa.RecordBatch]:
        """Rows whose key is ``low`` to ``high``, both included, in order."""
        count = self._rows.num_record_batches
        for number in range(bisect_left(range(count), low, key=self._last_key), count):
            batch = self._rows.get_batch(number)
            rows = slice_between(batch, low, high)
            if rows.num_rows:
                yield rows
            if rows.num_rows == 0 or batch.column(_KEY)[-1].as_py() > high:
                return

    def _last_key(self, number: int) -> int:
        key: int = self._keys.get_batch(number).column(0)[-1].as_py()
        return key


def slice_between(rows: pa.RecordBatch | pa.Table, low: int, high: int) -> pa.RecordBatch | pa.Table:
    """Of rows sorted by key, those whose key is ``low`` to ``high``, both included."""
    keys = rows.column(_KEY).to_numpy()
    start, stop = int(np.searchsorted(keys, low, "left")), int(np.searchsorted(keys, high, "right"))
    return rows.slice(start, stop - start)


def write(tables: Iterable[pa.Table], schema: pa.Schema, sources: Sequence[str], path: Path) -> None:
    """``tables`` one after the other are sorted by key. The file appears whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    unfinished = path.with_name(f".{path.name}.{uuid.uuid4().hex}")
    options = pa.ipc.IpcWriteOptions(compression=pa.Codec("zstd", compression_level=1), use_threads=False)
    footer = {_SOURCES: "\n".join(sources).encode()}
    with unfinished.open("wb") as file:
        with pa.ipc.new_file(file, schema, options=options, metadata=footer) as writer:
            for table in tables:
                for batch in table.combine_chunks().to_batches(max_chunksize=BATCH_ROWS):
                    writer.write_batch(batch)
        file.flush()
        os.fsync(file.fileno())
    os.replace(unfinished, path)
