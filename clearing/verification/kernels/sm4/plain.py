"""SM4 CBC-MAC in NumPy, two S-boxes and their linear transformation at one look-up: the reference of the fast kernel, and what
works where nothing can be compiled."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import cache
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from clearing.verification.kernels.kernel import Words
from clearing.verification.kernels.sm4.tables import CONSTANTS, DATA_TURNS, KEY_TURNS, ROUNDS, SYSTEM, pair_tables

CHUNK = 16_384
"""Records: large enough that a call's own cost does not matter, small enough for the processor's cache."""

_Quarters: TypeAlias = NDArray[np.uint32]
_Call: TypeAlias = tuple[Callable[..., Any], tuple[Any, ...]]

_HALF = np.uint64(32)


def macs(keys: Words, blocks: Words) -> Words:
    """``kernel.Kernel``; ``keys`` (2, n), ``blocks`` two words for each block."""
    count = keys.shape[1]
    made = np.empty(count, dtype=np.uint64)
    machine = _Machine(min(CHUNK, count))
    for start in range(0, count, CHUNK):
        chunk = slice(start, start + CHUNK)
        made[chunk] = machine.macs(keys[:, chunk], blocks[:, chunk])
    machine.forget()
    return made


class _Machine:
    """Key, state and round keys of one chunk and the calls that make the rounds over them, prepared once. A block is four words
    of 32 bits, a row each."""

    def __init__(self, lanes: int) -> None:
        self._key, self._block, self._state = (_rows(4, lanes) for _ in range(3))
        self._round_keys = _rows(ROUNDS, lanes)
        self._mixed, self._found = _rows(2, lanes)
        self._schedule, self._encryption = list(self._key_calls()), list(self._data_calls())

    def macs(self, keys: Words, blocks: Words) -> Words:
        count = keys.shape[1]
        _split(keys, self._key[:, :count])
        self._key ^= np.array(SYSTEM, dtype=np.uint32)[:, np.newaxis]
        _carry_out(self._schedule)
        self._state[:] = 0
        for block in range(0, len(blocks), 2):
            _split(blocks[block : block + 2], self._block[:, :count])
            self._block ^= self._state[::-1]  # SM4 ends by turning the words round
            self._state[:] = self._block
            _carry_out(self._encryption)
        return self._state[3, :count].astype(np.uint64)

    def forget(self) -> None:
        """Overwrite what shows keys."""
        for kept in (self._key, self._round_keys, self._mixed, self._found):
            kept[:] = 0

    def _key_calls(self) -> Iterator[_Call]:
        words = [*self._key, *self._round_keys]
        for number, constant in enumerate(CONSTANTS):
            yield from self._round(words[number : number + 4], np.uint32(constant), KEY_TURNS, words[number + 4])

    def _data_calls(self) -> Iterator[_Call]:
        for number, key in enumerate(self._round_keys):
            words = [self._state[(number + place) % 4] for place in range(4)]
            yield from self._round(words, key, DATA_TURNS, words[0])

    def _round(
        self, words: Sequence[_Quarters], key: _Quarters | np.uint32, turns: tuple[int, ...], target: _Quarters
    ) -> Iterator[_Call]:
        """The word after ``words`` into ``target``."""
        mixed, found, halves = self._mixed, self._found, self._mixed.view("<u2")
        yield np.bitwise_xor, (words[1], words[2], mixed)
        yield np.bitwise_xor, (mixed, words[3], mixed)
        yield np.bitwise_xor, (mixed, key, mixed)
        for place, (table, before) in enumerate(zip(_tables(turns), (words[0], target), strict=True)):
            yield table.take, (halves[place::2], None, found, "wrap")  # "raise" would copy first; nothing wraps
            yield np.bitwise_xor, (before, found, target)


def _carry_out(calls: list[_Call]) -> None:
    for call, given in calls:
        call(*given)


def _rows(count: int, lanes: int) -> _Quarters:
    return np.zeros((count, lanes), dtype="<u4")  # a word's halves are read with the lower first


@cache
def _tables(turns: tuple[int, ...]) -> _Quarters:
    return pair_tables(turns)


def _split(words: Words, into: _Quarters) -> None:
    """(2, n) words of 64 bits as (4, n) of 32, the more significant first."""
    for row, word in enumerate(words):
        np.right_shift(word, _HALF, out=into[2 * row], casting="unsafe")
        np.copyto(into[2 * row + 1], word, casting="unsafe")
