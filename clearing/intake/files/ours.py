"""Our own form of an operator's file, CSV or Parquet: a column for each field of a record, under the field's name.

Numbers as numbers (amounts in fen), coded fields by name, texts as text. Bytes are hexadecimal in CSV and of fixed length in
Parquet. A CSV cell may be empty where a record has a default; a Parquet column may be left out there.
"""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet as pq
from numpy.typing import NDArray

from clearing.intake.files import cells as of_text
from clearing.intake.files.faults import Fault, FileFaults, Found, whole
from clearing.intake.files.layout import REQUIRED, FieldLayout, Form, Layout, Part, Reading, names_of
from clearing.intake.files.reading import blank, find_record_faults, shown
from rulebook.record.columns import RECORD_DTYPE, Flags, Rows, columns_of, octets
from rulebook.record.record import ENUM_FIELDS, TEXT_FIELDS

FIELDS: tuple[str, ...] = RECORD_DTYPE.names or ()
_CHUNK_ROWS = 65_536
MOST_RECORDS = 5_000_000
"""Of a Parquet file; ours: they take 2 GB, and a thousand bytes of Parquet can say that there are a billion."""
LARGEST_GROUP_BYTES = 1024 * 1024 * 1024
"""Of a row group before its compression; ours."""
_TEXTS = [name for name in FIELDS if name in TEXT_FIELDS or name in ENUM_FIELDS]
_HEX = np.frombuffer(b"0123456789ABCDEF", np.uint8)


def _arrow_type(name: str) -> pa.DataType:
    if name in TEXT_FIELDS or name in ENUM_FIELDS:
        return pa.string()
    target = RECORD_DTYPE[name]
    return pa.binary(target.itemsize) if target.kind == "V" else pa.from_numpy_dtype(target.newbyteorder("="))


SCHEMA = pa.schema([pa.field(name, _arrow_type(name), nullable=False) for name in FIELDS])


@cache
def csv_layout() -> Layout:
    """Our CSV form as a declared layout."""
    fields = tuple(FieldLayout(record=name, parts=(Part(column=name),), type=_reading(name)) for name in FIELDS)
    return Layout(name="citycard-csv", source="ours", licence="Apache-2.0", form=Form.CSV, fields=fields)


def _reading(name: str) -> Reading:
    if name in TEXT_FIELDS:
        return Reading.TEXT
    return Reading.HEX if RECORD_DTYPE[name].kind == "V" else Reading.DECIMAL


def write_csv(rows: Rows, path: Path) -> None:
    """What ``read_operators_file(path, csv_layout())`` reads back as it was."""
    with path.open("wb") as file:
        schema = pa.schema([pa.field(name, pa.string()) for name in FIELDS])
        with pyarrow.csv.CSVWriter(file, schema) as writer:
            for first in range(0, len(rows), _CHUNK_ROWS):
                some = rows[first : first + _CHUNK_ROWS]
                writer.write_table(pa.table([_texts(some, name) for name in FIELDS], schema=schema))


def write_parquet(rows: Rows, path: Path) -> None:
    """What ``read_parquet`` reads back as it was."""
    with pq.ParquetWriter(path, SCHEMA, compression="zstd") as writer:
        for first in range(0, len(rows), _CHUNK_ROWS):
            some = rows[first : first + _CHUNK_ROWS]
            writer.write_table(pa.table([_typed(some, name) for name in FIELDS], schema=SCHEMA))


def read_parquet(path: Path) -> Rows:
    """Raises ``FileFaults``."""
    try:
        # Texts as dictionaries: each different one is there once, however long it is and however often it is meant.
        with pq.ParquetFile(path, read_dictionary=_TEXTS) as file:
            if faults := [*_schema_faults(file.schema_arrow), *_size_faults(file.metadata)]:
                raise FileFaults(faults)
            present = [name for name in FIELDS if name in file.schema_arrow.names]
            return _read(file, present)
    except (pa.ArrowException, OSError) as error:
        if isinstance(error, OSError) and error.errno is not None:
            raise  # the disk, not the file; Arrow's own OSErrors have no number
        raise whole("file", f"is no Parquet: {error}") from error


def _read(file: pq.ParquetFile, present: list[str]) -> Rows:
    found = Found()
    parts: list[bytes] = []
    first = 1
    for batch in file.iter_batches(_CHUNK_ROWS, columns=present):
        rows = blank(batch.num_rows)
        for name in present:
            _into(rows, name, batch.column(batch.schema.get_field_index(name)), first, found)
        numbers = first + np.arange(len(rows))
        find_record_faults(rows, numbers, ~np.isin(numbers, [fault.row for fault in found.faults]), found)
        parts.append(b"" if found.faults else rows.tobytes())
        first += batch.num_rows
        if found.is_full:
            break
    found.refuse()
    if first == 1:
        raise whole("file", "has no record")
    return columns_of(b"".join(parts))


def _size_faults(metadata: pq.FileMetaData) -> list[Fault]:
    largest = max((metadata.row_group(n).total_byte_size for n in range(metadata.num_row_groups)), default=0)
    checks = (
        (metadata.num_rows, MOST_RECORDS, "records"),
        (largest, LARGEST_GROUP_BYTES, "bytes in a row group"),
    )
    return [
        Fault(0, "file", f"has {found} {what}; at most {most} are taken")
        for found, most, what in checks
        if found > most
    ]


def _schema_faults(given: pa.Schema) -> list[Fault]:
    faults = [Fault(0, name, "is no column of this form") for name in given.names if name not in FIELDS]
    faults += [Fault(0, name, "is there twice") for name in FIELDS if given.names.count(name) > 1]
    for name in FIELDS:
        if name not in given.names:
            faults += [Fault(0, name, "is missing")] if name in REQUIRED else []
        elif given.names.count(name) == 1 and (said := _value_type(given.field(name))) != SCHEMA.field(name).type:
            faults.append(Fault(0, name, f"is of type {said}; it must be {SCHEMA.field(name).type}"))
    return faults


def _value_type(of: pa.Field) -> pa.DataType:
    return of.type.value_type if pa.types.is_dictionary(of.type) else of.type


def _into(rows: Rows, name: str, column: pa.Array, first: int, found: Found) -> None:
    """One column, and its faults."""
    if column.null_count:
        nulls = np.flatnonzero(column.is_null().to_numpy(zero_copy_only=False))
        found.add(nulls, lambda row: Fault(first + row, name, "is null"))
        return
    target = RECORD_DTYPE[name]
    if name in _TEXTS:
        which = column.indices.to_numpy()
        values, wrong, wanted = _read_text(name, of_text.of_arrow(column.dictionary))
        rows[name] = values[which]
        said = {at: shown(column.dictionary[at].as_py()) for at in np.flatnonzero(wrong).tolist()}
        found.add(
            np.flatnonzero(wrong[which]),
            lambda row: Fault(first + row, name, f"is {said[int(which[row])]}; it must be {wanted}"),
        )
    elif target.kind == "V":
        _, body = column.buffers()
        start = column.offset * target.itemsize
        rows[name] = np.frombuffer(body, np.uint8)[start : start + len(column) * target.itemsize].view(target)
    else:
        rows[name] = column.to_numpy()


def _read_text(name: str, cells: of_text.Cells) -> tuple[NDArray[Any], Flags, str]:
    target = RECORD_DTYPE[name]
    if codes := names_of(name):
        numbers, wrong = of_text.translated(cells, codes)
        return of_text.decimal(numbers, 0)[0].astype(target), wrong, f"one of {', '.join(codes)}"
    characters, wrong = of_text.text(cells, target.itemsize)
    return characters.view(target).ravel(), wrong, f"at most {target.itemsize} ASCII characters"


def _typed(rows: Rows, name: str) -> pa.Array:
    target = RECORD_DTYPE[name]
    if name in ENUM_FIELDS or name in TEXT_FIELDS:
        return _texts(rows, name)
    if target.kind == "V":
        body = pa.py_buffer(octets(rows, name).tobytes())
        return pa.Array.from_buffers(pa.binary(target.itemsize), len(rows), [None, body])
    return pa.array(rows[name].astype(target.newbyteorder("=")))


def _texts(rows: Rows, name: str) -> pa.Array:
    """As they stand in a CSV cell; bytes that are all zero are left empty where that is the default."""
    target = RECORD_DTYPE[name]
    if name in ENUM_FIELDS:
        names = np.array(["", *(code.name.lower() for code in sorted(ENUM_FIELDS[name]))])
        first = min(ENUM_FIELDS[name])
        return pa.array(names[rows[name].astype(np.int64) - int(first) + 1])
    if target.kind != "V":
        return pa.array(rows[name].astype(np.int64)).cast(pa.string())
    characters = octets(rows, name)
    if name not in TEXT_FIELDS:
        digits = np.stack([_HEX[characters >> 4], _HEX[characters & 0xF]], axis=2).reshape(len(rows), -1)
        if name not in REQUIRED:
            digits[~characters.any(axis=1)] = 0
        characters = digits
    return pa.array(np.ascontiguousarray(characters).view(f"S{characters.shape[1]}").ravel()).cast(pa.string())
