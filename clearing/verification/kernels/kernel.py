"""What every MAC kernel takes and gives."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

Words: TypeAlias = NDArray[np.uint64]

Kernel: TypeAlias = Callable[[Words, Words], Words]
"""CBC-MACs with a key for each of n records, IV zero (ISO/IEC 9797-1 algorithm 1, standards.md §2.2).

``keys`` (k, n) and ``blocks`` (w, n), the message padded to whole blocks: eight bytes to a word, as a big-endian number.
Answers (n,): the first four bytes of each MAC as a number below 2**32. Nothing it was given is changed.
"""


def whole_and_rest(lanes: int, kernel: Callable[[Words, Words, Words, int], None], keys: Words, blocks: Words) -> Words:
    """``kernel(keys, blocks, made, count)`` for as many records as fill ``lanes`` some times, then for the rest with zeros
    behind."""
    count = keys.shape[1]
    whole = count // lanes * lanes
    made = np.empty(-(-count // lanes) * lanes, dtype=np.uint64)
    keys, blocks = np.ascontiguousarray(keys), np.ascontiguousarray(blocks)
    if whole:
        kernel(keys, blocks, made, whole)
    if whole < count:
        rest_of_keys = _padded(keys[:, whole:], lanes)
        kernel(rest_of_keys, _padded(blocks[:, whole:], lanes), made[whole:], lanes)
        rest_of_keys[:] = 0
    return made[:count]


def _padded(columns: Words, lanes: int) -> Words:
    return np.pad(columns, ((0, 0), (0, lanes - columns.shape[1])))
