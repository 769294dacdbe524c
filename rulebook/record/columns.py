"""Records as columns: one NumPy dtype made from the layout of ``Record``, so that a batch's body is read without a Python
object per record."""

from __future__ import annotations

from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from rulebook.record.record import ENUM_FIELDS, LAYOUT, RECORD_LENGTH, TEXT_FIELDS, VERSION, MalformedRecord

Rows: TypeAlias = NDArray[np.void]
"""One-dimensional, of ``RECORD_DTYPE``."""

Flags: TypeAlias = NDArray[np.bool_]

_CODES = {"B": "u1", "H": ">u2", "I": ">u4"}


def _format(code: str) -> str:
    return _CODES.get(code, f"V{code[:-1]}")


RECORD_DTYPE = np.dtype([(name, _format(code)) for name, code in LAYOUT])
"""Numbers are big-endian and unsigned as in the record; texts and bytes are ``V``: every byte counts, NUL too."""

_WHOLE = np.dtype(f"V{RECORD_LENGTH}")

assert RECORD_DTYPE.itemsize == RECORD_LENGTH


def columns_of(body: bytes | bytearray | memoryview) -> Rows:
    """The records of ``body`` (``RECORD_LENGTH`` bytes each) in their order, without a copy; they can be changed only
    where ``body`` is a bytearray. What is in them is not looked at: see ``malformed``. Raises ``MalformedRecord`` for another
    length."""
    if len(body) % RECORD_LENGTH:
        raise MalformedRecord(f"{len(body)} bytes; records of version {VERSION} have {RECORD_LENGTH} each")
    return np.frombuffer(body, dtype=RECORD_DTYPE)


def picked(rows: Rows, which: NDArray[Any]) -> Rows:
    """Some rows by flags or numbers, as they are. NumPy's own way goes field by field and is many times slower."""
    some: Rows = rows.view(_WHOLE)[which].view(RECORD_DTYPE)
    return some


def malformed(rows: Rows) -> Flags:
    """Which rows ``Record.decode`` refuses; it says of each what is wrong."""
    wrong: Flags = rows["version"] != VERSION
    for name, meaning in ENUM_FIELDS.items():
        wrong |= ~np.isin(rows[name], list(meaning))
    for name in TEXT_FIELDS:
        wrong |= _no_text(octets(rows, name))
    return wrong


def octets(rows: Rows, name: str) -> NDArray[np.uint8]:
    """The bytes of one field: one row for each record, one column for each byte."""
    column: NDArray[Any] = np.ascontiguousarray(rows[name])
    return column.view(np.uint8).reshape(len(rows), RECORD_DTYPE[name].itemsize)


def _no_text(characters: NDArray[np.uint8]) -> Flags:
    """Not ASCII, or something after a NUL."""
    wrong = characters > 0x7F
    wrong[:, 1:] |= (characters[:, :-1] == 0) & (characters[:, 1:] != 0)
    refused: Flags = np.logical_or.reduce(wrong, axis=1)
    return refused
