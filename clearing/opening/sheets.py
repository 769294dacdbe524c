"""A CSV file read whole, every bad row named. Pure.

The form is ours: ASCII, comma, no quotes, a header line with exactly the columns named, lines ending with LF or CR LF. A cell
is a text of a declared form; what it means is for who asks.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv

from clearing.day.schema import Flags, Numbers

ROW = "row"
"""Column of the line's number in the file, from 1; the header is line 1."""

LISTED = 100_000
"""Bad rows of a column that are named; ours. Ten million rows in the wrong form have more faults than there is memory for."""

_SHOWN = 60
_BYTE_ORDER_MARK = b"\xef\xbb\xbf"


@dataclass(frozen=True, slots=True)
class Fault:
    """``row``: number of the line; 0 where it is the file's as a whole. ``field``: a column, or what a total is of."""

    file: str
    row: int
    field: str
    message: str


@dataclass(frozen=True, slots=True)
class Form:
    """``pattern``: of the whole cell (RE2). ``largest``: of a whole number."""

    pattern: str
    wanted: str
    largest: int | None = None


def read_sheet(content: bytes, file: str, forms: Mapping[str, Form]) -> tuple[pa.Table, list[Fault]]:
    """The good rows, cells as texts beside ``ROW``, and what is wrong with the others: of each column up to ``LISTED``."""
    content = content.removeprefix(_BYTE_ORDER_MARK).rstrip(b"\r\n")
    header = content.partition(b"\n")[0].rstrip(b"\r").decode("ascii", "replace")
    wanted = ",".join(forms)
    if header != wanted:
        return _empty(forms), [Fault(file, 1, "header", f"is {header[:_SHOWN]!r}; must be {wanted}")]
    table, faults = _rows(content, file, list(forms))
    bad = np.zeros(len(table), dtype=np.bool_)
    for name, form in forms.items():
        wrong = _wrong(table[name], form)
        faults += _named(table, wrong, file, name, form)
        bad |= wrong
    return table.filter(pa.array(~bad)), sorted(faults, key=lambda fault: (fault.row, fault.field))


def _empty(forms: Iterable[str]) -> pa.Table:
    return pa.table({ROW: pa.array([], pa.int64()), **{name: pa.array([], pa.string()) for name in forms}})


def _rows(content: bytes, file: str, names: list[str]) -> tuple[pa.Table, list[Fault]]:
    faults: list[Fault] = []
    skipped: list[int] = []

    def other_width(row: pa.csv.InvalidRow) -> str:
        message = f"the line has {row.actual_columns} columns; must be {row.expected_columns}"
        skipped.append(row.number)
        if len(skipped) <= LISTED:
            faults.append(Fault(file, row.number, "line", message))
        return "skip"

    if b"\n" not in content:
        return _empty(names), faults
    try:
        table = _read(content, names, other_width)
    except pa.ArrowInvalid as error:
        return _empty(names), [Fault(file, 0, "file", f"cannot be read as lines of cells: {error}")]
    lines = np.arange(2, 2 + len(table) + len(skipped), dtype=np.int64)
    kept = lines[~np.isin(lines, skipped)] if skipped else lines
    return table.add_column(0, ROW, pa.array(kept)), faults


def _read(content: bytes, names: list[str], other_width: Callable[[pa.csv.InvalidRow], str]) -> pa.Table:
    """Raises ``ArrowInvalid``, for a line of megabytes say."""
    return pa.csv.read_csv(
        pa.BufferReader(_ascii(content)),
        # Only one thread knows the numbers of the lines.
        read_options=pa.csv.ReadOptions(use_threads=False, skip_rows=1, column_names=names),
        parse_options=pa.csv.ParseOptions(quote_char=False, ignore_empty_lines=False, invalid_row_handler=other_width),
        convert_options=pa.csv.ConvertOptions(column_types=dict.fromkeys(names, pa.string())),
    )


def _ascii(content: bytes) -> bytes:
    """What is not ASCII as question marks, which no form allows."""
    return content if content.isascii() else content.decode("ascii", "replace").encode("ascii", "replace")


def _wrong(column: pa.ChunkedArray, form: Form) -> Flags:
    fits = pc.match_substring_regex(column, f"^(?:{form.pattern})$")
    if form.largest is not None:
        number = pc.if_else(pc.and_(fits, pc.not_equal(column, "")), column, "0").cast(pa.int64())
        fits = pc.and_(fits, pc.less_equal(number, form.largest))
    wrong: Flags = ~np.asarray(fits.to_numpy(), dtype=np.bool_)
    return wrong


def _named(table: pa.Table, wrong: Flags, file: str, name: str, form: Form) -> Iterator[Fault]:
    if not wrong.any():
        return
    found = table.select([ROW, name]).filter(pa.array(wrong)).slice(0, LISTED)
    for row, value in zip(found[ROW].to_pylist(), found[name].to_pylist(), strict=True):
        yield Fault(file, row, name, f"is {value[:_SHOWN]!r}; must be {form.wanted}")


def repeats(table: pa.Table, key: pa.ChunkedArray) -> list[tuple[int, int]]:
    """Rows whose ``key`` (one for each row) stood in an earlier row: the numbers of both lines."""
    codes = key.combine_chunks().dictionary_encode()
    number: Numbers = codes.indices.to_numpy().astype(np.int64)
    first = np.unique(number, return_index=True)[1][number]
    row: Numbers = table[ROW].to_numpy()
    later = first != np.arange(len(number))
    return list(zip(row[later].tolist(), row[first[later]].tolist(), strict=True))


def shared(numbers: Numbers) -> Flags:
    """Which of ``numbers`` stand there more than once."""
    order = np.argsort(numbers, kind="stable")
    equal = numbers[order[1:]] == numbers[order[:-1]]
    found = np.zeros(len(numbers), dtype=np.bool_)
    found[order[1:][equal]] = True
    found[order[:-1][equal]] = True
    return found
