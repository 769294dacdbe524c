"""The day's columns. Signed integers only, since Spark has no others; bytes of fixed length as binary; no nulls.

An *entry* is one row of a journal: an outcome together with its intent where both came, or any of the three kinds alone.
"""

from __future__ import annotations

from typing import Any, TypeAlias

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

Numbers: TypeAlias = NDArray[np.int64]
Flags: TypeAlias = NDArray[np.bool_]
Columns: TypeAlias = dict[str, NDArray[Any]]

CARD_LENGTH = 18
"""Issuer id ‖ application serial, as in the record."""

NO_TIME = -(2**62)
"""``at`` of a record whose date and time are no time of the calendar."""

NEVER = 2**62

DAY_SECONDS = 86_400

BUCKETS = 16
"""A power of two. Ours: cleared records and the cards' counters lie in this many files, by the top bits of ``key``."""

BUCKET_SHIFT = 60
COUNTER_SHIFT = 16
"""``key >> COUNTER_SHIFT`` is the counter (card, purse, loads or taps), the bits below are the sequence."""

ENTRY = np.dtype(
    [
        ("key", "i8"),  # of the card transaction: see ``keys``; equal transactions have equal keys
        ("card", f"V{CARD_LENGTH}"),
        ("purse", "i2"),
        ("load", "?"),
        ("card_sequence", "i4"),
        ("device", "i4"),  # number in the window's list of devices
        ("sequence", "i8"),  # in the device's journal
        ("intent_sequence", "i8"),  # of the intent that this row takes along; 0: none
        ("kind", "i1"),
        ("event", "i1"),
        ("outcome", "i1"),
        ("verdict", "i1"),
        ("key_version", "i2"),
        ("algorithm", "i2"),  # byte of the record
        ("rider", "i1"),  # index in ``RiderClass`` of the class the card says
        ("amount", "i8"),  # fen
        ("balance_before", "i8"),
        ("at", "i8"),  # seconds since 1970 of the terminal's local clock, or NO_TIME
        ("business_day", "i4"),  # days since 1970; the window's where there is no time
        ("transaction_type", "i2"),
        ("sam_terminal", "i8"),
        ("sam_sequence", "i8"),
        ("stamp", "i8"),  # date and time as they went into the TAC: 7 bytes BCD
        ("tac", "i8"),
        ("list_version", "i8"),
        ("line", "i8"),  # ASCII, NUL padded to 8 bytes, big-endian
        ("origin", "i8"),  # station codes likewise; 0 of what is no ride between two stations, or where nobody asks
        ("destination", "i8"),
        ("pricing", "i1"),  # ``Pricing``
        ("expected", "i8"),  # fen by the tariff
        ("concession", "i8"),  # fen that others than the operator bear
        ("fare", "i8"),  # names total and shares, see ``fares``
        ("waiting", "?"),  # was suspended in an earlier window
    ]
)
"""Numbers in the machine's own byte order."""

NOT_PRICED, PRICED, NOT_PRICEABLE = 0, 1, 2


def arrow(columns: Columns) -> pa.Table:
    """Without a copy, but for flags."""
    return pa.table({name: arrow_column(column) for name, column in columns.items()})


def arrow_column(column: NDArray[Any]) -> pa.Array:
    if column.dtype.kind != "V":
        return pa.array(column)
    whole = np.ascontiguousarray(column)
    return pa.Array.from_buffers(
        pa.binary(column.dtype.itemsize), len(whole), [None, pa.py_buffer(whole.view(np.uint8))]
    )


def columns_of_table(table: pa.Table) -> Columns:
    """Back as NumPy columns."""
    return {name: _numpy(table.column(name)) for name in table.column_names}


def _numpy(column: pa.ChunkedArray) -> NDArray[Any]:
    if not pa.types.is_fixed_size_binary(column.type):
        return np.asarray(column.to_numpy())
    width = column.type.byte_width
    parts = [np.frombuffer(c.buffers()[1], np.dtype(f"V{width}"), len(c), c.offset * width) for c in column.chunks]
    return np.concatenate(parts) if parts else np.empty(0, np.dtype(f"V{width}"))


def taken(columns: Columns, which: NDArray[Any]) -> Columns:
    """Some rows, by flags or numbers."""
    which = np.flatnonzero(which) if which.dtype == np.bool_ else which
    return {name: np.take(column, which) for name, column in columns.items()}  # without the interpreter's lock


def octets(rows: NDArray[np.void]) -> NDArray[np.uint8]:
    """The bytes of each row, as compiled functions take them: writable, for they are compiled anew for what is not."""
    return np.require(rows, requirements=["C", "W"]).view(np.uint8).reshape(len(rows), rows.dtype.itemsize)


def stacked(parts: list[Columns], dtype: np.dtype[np.void]) -> Columns:
    """One below the other; an empty list gives no rows."""
    return {
        name: np.concatenate([part[name] for part in parts]) if parts else np.empty(0, dtype[name])
        for name in dtype.names or ()
    }
