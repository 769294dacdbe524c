"""Columns of text as matrices of characters: one row for each cell, one column for each character, NUL behind a shorter one.

Conversions go over a whole column at once and say which rows they could not read.
"""

from __future__ import annotations

from typing import Any, TypeAlias

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from rulebook.record.columns import Flags

Cells: TypeAlias = NDArray[np.uint8]
Numbers: TypeAlias = NDArray[np.int64]

_NUL, _BLANK, _POINT, _ZERO = 0, ord(" "), ord("."), ord("0")
_LARGEST = (
    10**10
)  # ours: with another digit and the largest scale it still goes into 64 bits; no field of a record holds as much

LONGEST = 512
"""Characters of a cell that are looked at; ours. A field has 256 at most, and one long cell makes its whole column wide."""
NEVER = 0xFF
"""Stands for every character of a longer cell, and for NUL: no field can be read from it, and no text in UTF-8 has it."""

_NIBBLES = np.full(256, 0xFF, dtype=np.uint8)
for _digits in (b"0123456789abcdef", b"0123456789ABCDEF"):
    _NIBBLES[np.frombuffer(_digits, np.uint8)] = np.arange(16)


def cells_of(offsets: NDArray[Any], characters: NDArray[np.uint8]) -> Cells:
    """From one text after the other: cell ``n`` is ``characters[offsets[n]:offsets[n + 1]]``."""
    lengths = np.diff(offsets)
    characters = characters[offsets[0] : offsets[-1]]
    if not characters.all():
        characters = np.where(characters == _NUL, np.uint8(NEVER), characters)
    if (too_long := lengths > LONGEST).any():
        characters = characters[~np.repeat(too_long, lengths)]
    width = max(int(lengths.max(initial=0, where=~too_long)), 1)
    result = np.zeros((len(lengths), width), dtype=np.uint8)
    result[np.arange(width) < np.where(too_long, 0, lengths)[:, None]] = characters
    result[too_long] = NEVER
    return result


def of_arrow(texts: pa.Array) -> Cells:
    """Of an array of strings or binaries without nulls."""
    _, offsets, characters = texts.buffers()
    ends = np.frombuffer(offsets, np.int32)[texts.offset : texts.offset + len(texts) + 1]
    return cells_of(ends, np.frombuffer(characters or b"", np.uint8))


def same(text: str, count: int) -> Cells:
    one = np.frombuffer(text.encode("ascii") or b"\x00", np.uint8)
    return np.broadcast_to(one, (count, len(one)))


def joined(parts: list[Cells]) -> Cells:
    """Cells put one behind the other, each without the blanks around it."""
    if len(parts) == 1:
        return parts[0]
    parts = [stripped(part) for part in parts]
    lengths = np.column_stack([length(part) for part in parts])
    result = np.zeros((len(parts[0]), sum(part.shape[1] for part in parts)), dtype=np.uint8)
    columns = np.arange(result.shape[1])
    at = np.zeros(len(result), dtype=np.int64)
    for number, part in enumerate(parts):
        end = at + lengths[:, number]
        result[(columns >= at[:, None]) & (columns < end[:, None])] = part[_inside(part)]
        at = end
    return result


def stripped(cells: Cells) -> Cells:
    """Without the blanks around the text, which begins in the first column."""
    filled = (cells != _BLANK) & (cells != _NUL)
    first = np.where(filled.any(axis=1), filled.argmax(axis=1), 0)
    columns = np.arange(cells.shape[1]) + first[:, None]
    moved = np.take_along_axis(cells, np.minimum(columns, cells.shape[1] - 1), axis=1)
    moved[columns >= cells.shape[1]] = _NUL
    last = cells.shape[1] - filled[:, ::-1].argmax(axis=1) - first
    moved[np.arange(cells.shape[1]) >= last[:, None]] = _NUL
    return moved


def length(cells: Cells) -> Numbers:
    """Of texts that begin in the first column: characters before the NULs behind them."""
    filled = cells != _NUL
    return np.where(filled.any(axis=1), cells.shape[1] - filled[:, ::-1].argmax(axis=1), 0)


def empty(cells: Cells) -> Flags:
    nothing: Flags = ((cells == _BLANK) | (cells == _NUL)).all(axis=1)
    return nothing


def cut(cells: Cells, start: int, count: int) -> Cells:
    """``count`` characters from ``start`` (from 1); NULs where the text is shorter."""
    result = np.zeros((len(cells), count), dtype=np.uint8)
    some = cells[:, start - 1 : start - 1 + count]
    result[:, : some.shape[1]] = some
    return result


def decimal(cells: Cells, scale: int) -> tuple[Numbers, Flags]:
    """Numbers without sign, times ten to the ``scale``; which are none. "12.3" is 1230 with scale 2."""
    cells = stripped(cells)
    value = np.zeros(len(cells), dtype=np.int64)
    wrong = np.zeros(len(cells), dtype=np.bool_)
    point = np.zeros(len(cells), dtype=np.bool_)
    digits = np.zeros(len(cells), dtype=np.int64)
    decimals = np.zeros(len(cells), dtype=np.int64)
    for column in cells.T:
        digit = column - np.uint8(_ZERO)
        is_digit = digit <= 9
        is_point = column == _POINT
        wrong |= ~(is_digit | is_point | (column == _NUL)) | (is_point & point) | (is_digit & (value > _LARGEST))
        value = np.where(is_digit & ~wrong, value * 10 + digit, value)
        digits += is_digit
        decimals += is_digit & point
        point |= is_point
    wrong |= (digits == 0) | (decimals > scale) | (point & (decimals == 0)) | (digits == decimals)
    value *= 10 ** np.clip(scale - decimals, 0, scale)
    return np.where(wrong, 0, value), wrong


def hexadecimal(cells: Cells, size: int) -> tuple[NDArray[np.uint8], Flags]:
    """``size`` bytes from twice as many digits; which have another number of them or others."""
    cells = stripped(cells)
    wrong: Flags = length(cells) != 2 * size
    nibbles = _NIBBLES[cut(cells, 1, 2 * size)]
    wrong |= (nibbles > 0xF).any(axis=1)
    octets = (nibbles[:, 0::2] << np.uint8(4)) | (nibbles[:, 1::2] & np.uint8(0xF))
    octets[wrong] = 0
    return octets, wrong


def text(cells: Cells, size: int) -> tuple[NDArray[np.uint8], Flags]:
    """At most ``size`` printable ASCII characters, NULs behind them. Blanks belong to the text."""
    wrong: Flags = length(cells) > size
    wrong |= (((cells < _BLANK) & (cells != _NUL)) | (cells >= 0x7F)).any(axis=1)
    octets = cut(cells, 1, size)
    octets[wrong] = 0
    return octets, wrong


def translated(cells: Cells, codes: dict[str, str]) -> tuple[Cells, Flags]:
    """Each cell's text replaced by what ``codes`` says; which texts it does not know."""
    cells = np.ascontiguousarray(stripped(cells))
    different, which = np.unique(cells.view(f"S{cells.shape[1]}").ravel(), return_inverse=True)
    known = [codes.get(bytes(one).decode("latin-1")) for one in different]
    width = max((len(one) for one in known if one), default=1)
    table = np.array([(one or "").encode("ascii") for one in known], dtype=f"S{width}")
    wrong = np.array([one is None for one in known], dtype=np.bool_)
    return table.view(np.uint8).reshape(len(table), width)[which], wrong[which]


def _inside(cells: Cells) -> Flags:
    inside: Flags = np.arange(cells.shape[1]) < length(cells)[:, None]
    return inside
