"""An operator's file read as records: whole, or refused with everything that is wrong in it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import fields
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from clearing.intake.files import cells as of_text
from clearing.intake.files.cells import Cells, Numbers
from clearing.intake.files.faults import Fault, FileFaults, Found, whole
from clearing.intake.files.layout import Each, FieldLayout, Layout, Part, Reading
from clearing.intake.files.sources import Chunk, chunks
from rulebook.record import Kind, MalformedRecord, Outcome, Record
from rulebook.record.columns import RECORD_DTYPE, Flags, Rows, columns_of, malformed
from rulebook.record.record import TEXT_FIELDS

_DEFAULTS = {f.name: int(f.default) for f in fields(Record) if isinstance(f.default, int)}
_SHOWN = 40  # characters of a wrong value


def read_operators_file(path: Path, layout: Layout) -> Rows:
    """The records of the file in its order. Raises ``FileFaults``."""
    found = Found()
    parts: list[bytes] = []
    try:
        for chunk in chunks(path, layout, found):
            rows = _records(chunk, layout, found)
            parts.append(b"" if found.faults else rows.tobytes())
            if found.is_full:
                break
    except FileFaults as error:
        found.faults += error.faults
    found.refuse()
    body = b"".join(parts)
    if not body:
        raise whole("file", "has no record")
    return columns_of(body)


def _records(chunk: Chunk, layout: Layout, found: Found) -> Rows:
    rows = blank(len(chunk.numbers))
    read = np.ones(len(rows), dtype=np.bool_)
    for field in layout.fields:
        wrong, nothing, given = _read_into(rows, chunk, field)
        if field.record in layout.required:
            wrong = wrong | nothing
        read &= ~wrong
        found.add(np.flatnonzero(wrong), _unreadable(chunk, field, given))
    if layout.each is Each.TRANSACTION:
        _find_unnumbered(rows, chunk, read, found)
        rows["kind"], rows["outcome"] = Kind.OUTCOME, Outcome.DONE
    find_record_faults(rows, chunk.numbers, read, found)
    return _with_intents(rows) if layout.each is Each.TRANSACTION else rows


def _unreadable(chunk: Chunk, field: FieldLayout, given: Cells) -> Callable[[int], Fault]:
    def fault(row: int) -> Fault:
        return Fault(int(chunk.numbers[row]), field.name, f"is {_shown(given[row])}; it must be {_wanted(field)}")

    return fault


def blank(count: int) -> Rows:
    """Records of which nothing is known but what a record's defaults say."""
    rows = np.zeros(count, dtype=RECORD_DTYPE)
    for name, default in _DEFAULTS.items():
        rows[name] = default
    return rows


def _read_into(rows: Rows, chunk: Chunk, field: FieldLayout) -> tuple[Flags, Flags, Cells]:
    """Which rows could not be read, which say nothing, and what was given."""
    given = of_text.joined([_cells(chunk, part) for part in field.parts])
    cells, unknown = given, np.zeros(len(rows), dtype=np.bool_)
    if codes := field.code_table():
        cells, unknown = of_text.translated(given, codes)
    values, unread = _values(cells, field)
    nothing = of_text.length(given) == 0 if field.type is Reading.TEXT else of_text.empty(given)
    wrong = ~nothing & (unknown | unread)
    here = ~nothing & ~wrong
    rows[field.record][here] = values[here]
    return wrong, nothing, given


def _cells(chunk: Chunk, part: Part) -> Cells:
    return of_text.same(part.constant, len(chunk.numbers)) if part.constant else chunk.cells(part)


def _values(cells: Cells, field: FieldLayout) -> tuple[NDArray[Any], Flags]:
    """As they stand in the record's column."""
    target = RECORD_DTYPE[field.record]
    if field.type is Reading.TEXT:
        octets, wrong = of_text.text(cells, target.itemsize)
        return octets.view(target).ravel(), wrong
    if target.kind == "V":
        octets, wrong = of_text.hexadecimal(cells, target.itemsize)
        return np.ascontiguousarray(octets).view(target).ravel(), wrong
    if field.type is Reading.HEX:
        octets, wrong = of_text.hexadecimal(cells, target.itemsize)
        return np.ascontiguousarray(octets).view(target).ravel(), wrong
    numbers, wrong = of_text.decimal(cells, field.scale)
    return numbers.astype(target), wrong | (numbers > _largest(field.record))


def _largest(name: str) -> int:
    return int(256 ** RECORD_DTYPE[name].itemsize - 1)


def _shown(cells: NDArray[np.uint8]) -> str:
    if (cells == of_text.NEVER).all():
        return f"longer than {of_text.LONGEST} characters"
    text = cells.tobytes().strip(b" \x00").decode("utf-8", "replace")
    return shown(text) if text else "empty"


def shown(text: str) -> str:
    """Of a wrong value as much as helps."""
    return repr(text if len(text) <= _SHOWN else f"{text[:_SHOWN]}…")


def _wanted(field: FieldLayout) -> str:
    if codes := field.code_table():
        return "one of " + ", ".join(codes)
    size = RECORD_DTYPE[field.record].itemsize
    if field.record in TEXT_FIELDS:
        return f"at most {size} ASCII characters"
    if field.type is Reading.HEX:
        return f"{2 * size} hexadecimal digits"
    decimals = f" with at most {field.scale} decimals" if field.scale else ""
    return f"a number{decimals} that makes 0 to {_largest(field.record)}"


def find_record_faults(rows: Rows, numbers: Numbers, read: Flags, found: Found) -> None:
    """Rows of which every field could be read and which are no record all the same."""
    found.add(
        np.flatnonzero(malformed(rows) & read),
        lambda row: Fault(int(numbers[row]), "record", _what_is_wrong(rows[row].tobytes())),
    )


def _what_is_wrong(raw: bytes) -> str:
    try:
        Record.decode(raw)
    except MalformedRecord as error:
        return str(error)
    raise AssertionError("columns and record do not agree on what is malformed")


def _find_unnumbered(rows: Rows, chunk: Chunk, read: Flags, found: Found) -> None:
    """A transaction's two records are numbered by twice its number."""
    largest = _largest("journal_sequence") // 2
    numbers = rows["journal_sequence"].astype(np.int64)
    found.add(
        np.flatnonzero(read & ((numbers < 1) | (numbers > largest))),
        lambda row: Fault(
            int(chunk.numbers[row]), "journal_sequence", f"is {numbers[row]}; of transactions it is 1 to {largest}"
        ),
    )


def _with_intents(outcomes: Rows) -> Rows:
    """Before each outcome the intent it belongs to, which has no TAC yet."""
    both = np.zeros(2 * len(outcomes), dtype=RECORD_DTYPE)
    number = outcomes["journal_sequence"].astype(np.int64)
    intents, results = both[0::2], both[1::2]
    intents[:] = results[:] = outcomes
    intents["kind"], intents["outcome"], intents["mac2_verdict"] = Kind.INTENT, Outcome.NONE, 0
    intents["tac"] = np.void(bytes(RECORD_DTYPE["tac"].itemsize))
    intents["journal_sequence"] = results["refers_to"] = 2 * number - 1
    results["journal_sequence"] = 2 * number
    return both
