"""The TACs of a column of records: laid out, made by a kernel, and the kernel checked by another hand."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from card_os.crypto.suites import SUITES, Algorithm
from clearing.verification.algorithms import Chosen, rows_of
from clearing.verification.kernels.choice import FASTEST, Kernels
from clearing.verification.kernels.kernel import Kernel, Words
from clearing.verification.recheck import recheck
from clearing.verification.tac_columns import Flags, TacColumns, messages, too_wide

Octets: TypeAlias = NDArray[np.uint8]

KEY_LENGTH = 16
PIECE = 65_536
"""Records at once: enough for every kernel, little enough that the same memory serves again."""


def right_tacs(columns: TacColumns, keys: Octets, kernels: Kernels = FASTEST) -> Flags:
    """Whether each record's TAC is the one its card's key (a row of 16 bytes) makes.

    Wrong without a look at the TAC is a value wider than its field, and a row of zeros, which is no card's key. Raises
    ``recheck.KernelDisagrees``."""
    _check_shapes(columns, keys)
    possible = _possible(columns, keys)
    made = _made(columns, keys, kernels)
    right: Flags = possible & (made.view(np.int64) == columns.tac)
    recheck(columns, keys, made, possible=possible, wrong=possible & ~right)
    return right


def compute_tacs(columns: TacColumns, keys: Octets, kernels: Kernels = FASTEST) -> NDArray[np.int64]:
    """The TACs that cards with these keys make, as numbers; ``columns.tac`` is not looked at. Raises ``ValueError`` for a value
    wider than its field and for a row of zeros among the keys."""
    _check_shapes(columns, keys)
    columns = columns._replace(tac=np.zeros(len(keys), dtype=np.int64))
    if wide := {name: _first(flags) for name, flags in too_wide(columns).items()}:
        raise ValueError(f"values wider than their field, by column and first rows: {wide}")
    if not (known := _known(keys)).all():
        raise ValueError(f"rows without a key, the first of them: {_first(~known)}")
    return _made(columns, keys, kernels).view(np.int64)


def _first(flags: Flags) -> list[int]:
    first: list[int] = np.flatnonzero(flags)[:3].tolist()
    return first


def _check_shapes(columns: TacColumns, keys: Octets) -> None:
    if keys.dtype != np.uint8 or keys.ndim != 2 or keys.shape[1] != KEY_LENGTH:
        raise ValueError(f"keys are {keys.dtype} of shape {keys.shape}; they must be rows of {KEY_LENGTH} bytes")
    lengths = {name: len(column) for name, column in columns._asdict().items() if len(column) != len(keys)}
    if lengths:
        raise ValueError(f"there are {len(keys)} keys; columns of another length: {lengths}")


def _possible(columns: TacColumns, keys: Octets) -> Flags:
    possible = _known(keys)
    for wide in too_wide(columns).values():
        possible &= ~wide
    return possible


def _known(keys: Octets) -> Flags:
    halves = keys.view(np.uint64)
    known: Flags = (halves[:, 0] | halves[:, 1]) != 0
    return known


def _made(columns: TacColumns, keys: Octets, kernels: Kernels) -> Words:
    made = np.empty(len(keys), dtype=np.uint64)
    for start in range(0, len(keys), PIECE):
        piece = slice(start, start + PIECE)
        _make(made[piece], columns.rows(piece), keys[piece], kernels)
    return made


def _make(made: Words, columns: TacColumns, keys: Octets, kernels: Kernels) -> None:
    for algorithm, load, rows in _groups(columns):
        some = keys[rows]
        made[rows] = _macs(columns.rows(rows), some, kernels[algorithm], algorithm, load)
        if not isinstance(rows, slice):
            some[:] = 0  # a copy


def _groups(columns: TacColumns) -> Iterator[tuple[Algorithm, bool, Chosen]]:
    """Chosen of one algorithm that are all loads or all purchases."""
    is_sm4 = columns.algorithm == Algorithm.SM4
    for algorithm, of_algorithm in ((Algorithm.TRIPLE_DES, ~is_sm4), (Algorithm.SM4, is_sm4)):
        for load in (False, True):
            yield from ((algorithm, load, rows) for rows in rows_of(of_algorithm & (columns.load == load)))


def _macs(of: TacColumns, keys: Octets, kernel: Kernel, algorithm: Algorithm, load: bool) -> Words:
    blocks = messages(of, load=load, block=SUITES[algorithm].block)
    key_words = _KEY_WORDS[algorithm](_halves(keys))
    try:
        return kernel(key_words, blocks)
    finally:
        key_words[:] = 0


def _halves(keys: Octets) -> Words:
    return keys.view(">u8")


def _folded(halves: Words) -> Words:
    """left8 ⊕ right8 (standards.md §2.2)."""
    folded = np.empty((1, len(halves)), dtype=np.uint64)
    np.bitwise_xor(halves[:, 0], halves[:, 1], out=folded[0])
    return folded


def _whole(halves: Words) -> Words:
    return np.ascontiguousarray(halves.T, dtype=np.uint64)


_KEY_WORDS: dict[Algorithm, Callable[[Words], Words]] = {Algorithm.TRIPLE_DES: _folded, Algorithm.SM4: _whole}
