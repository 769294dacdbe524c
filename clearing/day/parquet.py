"""Parquet as clearing writes it: fixed settings, so that the same rows are the same bytes from whatever engine they came."""

from __future__ import annotations

import hashlib
import uuid
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from clearing.durable import appear, make_folder

ROW_GROUP = 131_072

_LOOKED_UP = ("key",)
"""Columns whose least and greatest value in each row group are written: looking for them was half of the work of writing."""


@dataclass(frozen=True, slots=True, order=True)
class Written:
    """A file by its name below a folder. ``sha256`` of its bytes, in hexadecimal."""

    name: str
    rows: int
    sha256: str


def keep(table: pa.Table, folder: Path, name: str) -> Written:
    """``table``, in canonical order, in a file below ``folder`` whose name ends with the beginning of its hash; on disk when
    this returns."""
    unfinished = unfinished_of(folder / name)
    sha256 = write(table, unfinished)
    whole = f"{name}-{sha256[:16]}.parquet"
    appear(unfinished, folder / whole)
    return Written(whole, table.num_rows, sha256)


def write(table: pa.Table, path: Path) -> str:
    """``table`` in canonical order; the hash of what was written."""
    _write(table, path)
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def unfinished_of(path: Path) -> Path:
    """A name beside ``path`` that nobody else has."""
    make_folder(path.parent)
    return path.with_name(f".{path.name}.{uuid.uuid4().hex}")


def image(table: pa.Table) -> pa.Buffer:
    """The same bytes in memory."""
    sink = pa.BufferOutputStream()
    _write(table, sink)
    return sink.getvalue()


def _write(table: pa.Table, where: Path | pa.NativeFile) -> None:
    with pq.ParquetWriter(
        where,
        table.schema.remove_metadata(),
        version="2.6",
        compression="zstd",
        compression_level=1,
        use_dictionary=[field.name for field in table.schema if pa.types.is_string(field.type)],
        write_statistics=[name for name in _LOOKED_UP if name in table.schema.names],
        store_schema=False,
        data_page_version="1.0",
    ) as writer:
        writer.write_table(table.replace_schema_metadata(None).combine_chunks(), row_group_size=ROW_GROUP)
