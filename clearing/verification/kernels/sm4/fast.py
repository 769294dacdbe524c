"""The same as ``plain``, compiled: the rounds as LLVM vector instructions for what the processor has (``processors``), and as
look-ups in tables where it has nothing of the kind. The first call compiles for some seconds.
"""

from __future__ import annotations

from typing import Any, TypeAlias

import numpy as np
from llvmlite import ir
from numba import types
from numba.extending import intrinsic
from numpy.typing import NDArray

from clearing.verification.kernels.compiling import compiled
from clearing.verification.kernels.kernel import Kernel, Words, whole_and_rest
from clearing.verification.kernels.sm4 import by_tables
from clearing.verification.kernels.sm4.processors import Processor, called, substitution, this_processor
from clearing.verification.kernels.sm4.tables import CONSTANTS, DATA_TURNS, KEY_TURNS, ROUNDS, SYSTEM

_Quarters: TypeAlias = NDArray[np.uint32]

VECTORS = 6
"""At once: while one waits for an instruction's result the others go on."""

_WORD, _INDEX = ir.IntType(32), ir.IntType(64)
_ALIGNED = 4
_SYSTEM = np.array(SYSTEM, dtype=np.uint32)
_HALF = np.uint64(32)


class _Emission:
    """Writes rounds over a state of four rows of ``VECTORS`` vectors; round keys are 32 such rows."""

    def __init__(self, build: Any, processor: Any, state: Any, round_keys: Any) -> None:
        self._build, self._vector = build, ir.VectorType(_WORD, processor().words)
        self._substituted = substitution(processor)
        self._state, self._round_keys = (
            build.bitcast(pointer, self._vector.as_pointer()) for pointer in (state, round_keys)
        )

    def rounds(self, *, of_key: bool) -> None:
        """``of_key``: the state is the key, and each round's word is kept as a round key."""
        words = [[self._load(self._state, row * VECTORS + v) for v in range(VECTORS)] for row in range(4)]
        for number in range(ROUNDS):
            oldest, *others = words
            made = []
            for v in range(VECTORS):
                place = number * VECTORS + v
                key = self._constant(CONSTANTS[number]) if of_key else self._load(self._round_keys, place)
                mixed = self._sum(key, *(word[v] for word in others))
                made.append(self._build.xor(oldest[v], self._turned(mixed, KEY_TURNS if of_key else DATA_TURNS)))
                if of_key:
                    self._store(made[v], self._round_keys, place)
            words = [*others, made]
        for row, word in enumerate(words):
            for v in range(VECTORS):
                self._store(word[v], self._state, (3 - row) * VECTORS + v)

    def _turned(self, word: Any, turns: tuple[int, ...]) -> Any:
        """S-box and linear transformation."""
        word = self._substituted(self._build, word)
        turn = called(self._build, f"llvm.fshl.v{self._vector.count}i32", self._vector, [self._vector] * 3)
        return self._sum(word, *(turn(word, word, self._constant(by)) for by in turns))

    def _sum(self, first: Any, *others: Any) -> Any:
        for other in others:
            first = self._build.xor(first, other)
        return first

    def _constant(self, value: int) -> Any:
        return ir.Constant(self._vector, [value] * self._vector.count)

    def _load(self, start: Any, place: int) -> Any:
        return self._build.load(self._build.gep(start, [ir.Constant(_INDEX, place)]), align=_ALIGNED)

    def _store(self, value: Any, start: Any, place: int) -> None:
        self._build.store(value, self._build.gep(start, [ir.Constant(_INDEX, place)]), align=_ALIGNED)


def _emitted(state: Any, round_keys: Any, processor: Any, *, of_key: bool) -> Any:
    def generate(context: Any, build: Any, signature: Any, arguments: Any) -> Any:
        pointers = [context.make_array(signature.args[n])(context, build, arguments[n]).data for n in range(2)]
        _Emission(build, processor.instance_class, *pointers).rounds(of_key=of_key)
        return context.get_dummy_value()

    return types.void(state, round_keys, processor), generate


def _emit_schedule(_typing: Any, state: Any, round_keys: Any, processor: Any) -> Any:
    return _emitted(state, round_keys, processor, of_key=True)


def _emit_encryption(_typing: Any, state: Any, round_keys: Any, processor: Any) -> Any:
    return _emitted(state, round_keys, processor, of_key=False)


_schedule: Any = intrinsic(_emit_schedule)
_encrypt: Any = intrinsic(_emit_encryption)


@compiled
def _add_block(state: _Quarters, first: Words, second: Words, start: int) -> None:  # pragma: no cover - compiled
    """Exclusive-or with 64-bit words, the more significant half in the upper row."""
    lanes = state.size // 4
    for lane in range(lanes):
        state[lane] ^= np.uint32(first[start + lane] >> _HALF)
        state[lanes + lane] ^= np.uint32(first[start + lane])
        state[2 * lanes + lane] ^= np.uint32(second[start + lane] >> _HALF)
        state[3 * lanes + lane] ^= np.uint32(second[start + lane])


@compiled
def _macs(keys: Words, blocks: Words, made: Words, count: int, processor: Any) -> None:  # pragma: no cover - compiled
    lanes = VECTORS * processor.words
    state, round_keys = np.empty(4 * lanes, np.uint32), np.empty(ROUNDS * lanes, np.uint32)
    for start in range(0, count, lanes):
        for row in range(4):
            state[row * lanes : (row + 1) * lanes] = _SYSTEM[row]
        _add_block(state, keys[0], keys[1], start)
        _schedule(state, round_keys, processor)
        state[:] = np.uint32(0)
        for block in range(0, blocks.shape[0], 2):
            _add_block(state, blocks[block], blocks[block + 1], start)
            _encrypt(state, round_keys, processor)
        for lane in range(lanes):
            made[start + lane] = state[lane]
    round_keys[:] = np.uint32(0)


def kernel_for(processor: Processor) -> Kernel:
    """``plain.macs`` for one that has the instructions."""

    def some(keys: Words, blocks: Words, made: Words, count: int) -> None:
        _macs(keys, blocks, made, count, processor)

    return lambda keys, blocks: whole_and_rest(VECTORS * processor.words, some, keys, blocks)


_here = this_processor()
macs = by_tables.macs if _here is None else kernel_for(_here)
