"""Which algorithm a record's TAC is made with."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from card_os.crypto.suites import Algorithm

Chosen: TypeAlias = slice | NDArray[np.intp]


def algorithm_of(byte: int) -> Algorithm:
    """By the record's algorithm byte. Every byte but SM4's is tried with 3DES: a real card answered 01 and still used it
    (standards.md §1.5), and a TAC that is right proves itself."""
    return Algorithm.SM4 if byte == Algorithm.SM4 else Algorithm.TRIPLE_DES


def rows_by_algorithm(bytes_: NDArray[Any]) -> Iterator[tuple[Algorithm, Chosen]]:
    """``algorithm_of`` of a column: the rows of each algorithm that occurs; all of them as a slice."""
    is_sm4 = bytes_ == Algorithm.SM4
    for algorithm, chosen in ((Algorithm.TRIPLE_DES, ~is_sm4), (Algorithm.SM4, is_sm4)):
        yield from ((algorithm, rows) for rows in rows_of(chosen))


def rows_of(chosen: NDArray[np.bool_]) -> Iterator[Chosen]:
    """Nothing where none is chosen; a slice where all are, so that nothing need be copied."""
    if chosen.all():
        yield slice(None)
    elif chosen.any():
        yield np.flatnonzero(chosen)
