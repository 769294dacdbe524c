"""Bit-sliced DES CBC-MAC in NumPy: the reference of the fast kernel, and what works where nothing can be compiled."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, TypeAlias

import numpy as np

from clearing.verification.kernels.des.circuits import Gate, circuit
from clearing.verification.kernels.des.planes import (
    BITS,
    BOX_INPUTS,
    BOX_OUTPUTS,
    HALF,
    KEY_PLANES,
    LEFT_PLANES,
    MAC_PLANES,
    RIGHT_PLANES,
    subkeys,
)
from clearing.verification.kernels.kernel import Words

_Call: TypeAlias = tuple[Callable[..., Any], Words, Words, Words]

CHUNK_WORDS = 1024
"""Of 64 records each: large enough that a call's own cost does not matter, small enough for the processor's cache."""

_GATES = {Gate.XOR: np.bitwise_xor, Gate.AND: np.bitwise_and, Gate.OR: np.bitwise_or}
_SWAPS = (
    (32, 0x00000000FFFFFFFF),
    (16, 0x0000FFFF0000FFFF),
    (8, 0x00FF00FF00FF00FF),
    (4, 0x0F0F0F0F0F0F0F0F),
    (2, 0x3333333333333333),
    (1, 0x5555555555555555),
)


def macs(keys: Words, blocks: Words) -> Words:
    """``kernel.Kernel``; ``keys`` (1, n): single DES keys."""
    lanes = BITS * CHUNK_WORDS
    machine = _Machine(CHUNK_WORDS)
    count = keys.shape[1]
    made = np.empty(count, dtype=np.uint64)
    for start in range(0, count, lanes):
        chunk = slice(start, start + lanes)
        made[chunk] = machine.macs(keys[0, chunk], blocks[:, chunk])
    machine.forget()
    return made


class _Machine:
    """Planes of one chunk and the calls that make sixteen rounds over them, prepared once."""

    def __init__(self, words: int) -> None:
        self._words = words
        self._left, self._right = _planes(HALF, words), _planes(HALF, words)
        self._key = _planes(2 * BITS, words)
        self._turned, self._spare = _planes(BITS, words), _planes(HALF, words)
        self._signals = _planes(max(step.signal for box in range(8) for step in circuit(box).steps) + 1, words)
        self._rounds = list(self._calls())

    def macs(self, keys: Words, blocks: Words) -> Words:
        self._turn(keys)
        self._key[:BITS] = self._turned[list(KEY_PLANES)]
        np.invert(self._key[:BITS], out=self._key[BITS:])
        for number, block in enumerate(blocks):
            self._turn(block)
            if number == 0:
                self._left[:], self._right[:] = self._turned[list(LEFT_PLANES)], self._turned[list(RIGHT_PLANES)]
            else:
                self._chain()
            for call, left, right, out in self._rounds:
                call(left, right, out=out)
        return self._turned_back(len(keys))

    def forget(self) -> None:
        """Overwrite what shows keys."""
        for planes in (self._key, self._turned, self._signals):
            planes[:] = 0

    def _chain(self) -> None:
        """The next block, exclusive-or the last output, whose halves come swapped."""
        left, right = self._left.copy(), self._right
        np.bitwise_xor(self._turned[list(LEFT_PLANES)], right, out=self._left)
        np.bitwise_xor(self._turned[list(RIGHT_PLANES)], left, out=self._right)

    def _turned_back(self, count: int) -> Words:
        self._turned[:] = 0
        for places, half in ((LEFT_PLANES, self._right), (RIGHT_PLANES, self._left)):
            for bit, plane in enumerate(places):
                if plane in MAC_PLANES:
                    self._turned[plane - MAC_PLANES.start] = half[bit]
        self._transpose()
        return self._turned.reshape(-1)[:count]

    def _turn(self, words: Words) -> None:
        """64 words of a column into 64 planes: record r of a chunk is bit r // words of word r % words."""
        flat = self._turned.reshape(-1)
        flat[: len(words)], flat[len(words) :] = words, 0
        self._transpose()

    def _transpose(self) -> None:
        """In place; twice is nothing."""
        for shift, mask in _SWAPS:
            pairs = self._turned.reshape(BITS // (2 * shift), 2, shift, self._words)
            low, high = pairs[:, 0], pairs[:, 1]
            spare = self._spare.reshape(BITS // (2 * shift), shift, self._words)
            np.right_shift(low, np.uint64(shift), out=spare)
            spare ^= high
            spare &= np.uint64(mask)
            high ^= spare
            spare <<= np.uint64(shift)
            low ^= spare

    def _calls(self) -> Iterator[_Call]:
        changing, other = self._left, self._right
        for keys in subkeys():
            for box in range(8):
                yield from self._box(box, keys[6 * box : 6 * box + 6], changing, other)
            changing, other = other, changing

    def _box(self, box: int, keys: tuple[int, ...], changing: Words, other: Words) -> Iterator[_Call]:
        signals = self._signals
        for place, (source, key) in enumerate(zip(BOX_INPUTS[box], keys, strict=True)):
            yield np.bitwise_xor, other[source], self._key[key], signals[place]
        for step in circuit(box).steps:
            left, right, made = signals[step.left], signals[step.right], signals[step.signal]
            if step.gate is Gate.AND_NOT:  # left and not right = left ^ (left and right)
                yield np.bitwise_and, left, right, made
                yield np.bitwise_xor, left, made, made
            else:
                yield _GATES[step.gate], left, right, made
        for target, (signal, _) in zip(BOX_OUTPUTS[box], circuit(box).outputs, strict=True):
            yield np.bitwise_xor, changing[target], signals[signal], changing[target]


def _planes(count: int, words: int) -> Words:
    return np.zeros((count, words), dtype=np.uint64)
