"""The same as ``plain``, compiled: the S-boxes of a round are emitted as LLVM vector instructions on eight words at once.

LLVM makes of them what the processor has (AVX-512, two of AVX2, four of SSE2). The first call compiles for some seconds.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from llvmlite import ir
from numba import types
from numba.extending import intrinsic

from clearing.verification.kernels.compiling import compiled
from clearing.verification.kernels.des.circuits import Circuit, Gate, circuit
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
from clearing.verification.kernels.kernel import Words, whole_and_rest

VECTOR_WORDS = 8
LANES = BITS * VECTOR_WORDS

_WORD = ir.IntType(64)
_VECTOR = ir.VectorType(_WORD, VECTOR_WORDS)
_ALIGNED = 8
_MAC = MAC_PLANES.start
_SUBKEYS = np.array(subkeys(), dtype=np.int64)
_KEY, _LEFT, _RIGHT = (np.array(places, dtype=np.int64) for places in (KEY_PLANES, LEFT_PLANES, RIGHT_PLANES))


def _combined(build: Any, gate: Gate, left: Any, right: Any) -> Any:
    if gate is Gate.AND_NOT:
        return build.and_(left, build.not_(right))
    return {Gate.XOR: build.xor, Gate.AND: build.and_, Gate.OR: build.or_}[gate](left, right)


def _signals(build: Any, box: Circuit, inputs: list[Any]) -> dict[int, Any]:
    signals = dict(enumerate(inputs))
    for step in box.steps:
        signals[step.signal] = _combined(build, step.gate, signals[step.left], signals[step.right])
    return signals


def _emit_round(_typing: Any, changing: Any, other: Any, key: Any, chosen: Any) -> Any:
    """One round: ``changing`` and ``other`` are halves (32 planes of ``VECTOR_WORDS``), ``key`` 128 planes, plain and
    complemented, ``chosen`` which 48 of them."""

    def generate(context: Any, build: Any, signature: Any, arguments: Any) -> Any:
        def array(number: int) -> Any:
            return context.make_array(signature.args[number])(context, build, arguments[number]).data

        halves = [build.bitcast(array(number), _VECTOR.as_pointer()) for number in range(3)]
        places = array(3)

        def plane(number: int, index: Any) -> Any:
            return build.gep(halves[number], [ir.Constant(_WORD, index) if isinstance(index, int) else index])

        for box in range(8):
            inputs = []
            for place, source in enumerate(BOX_INPUTS[box]):
                which = build.load(build.gep(places, [ir.Constant(_WORD, 6 * box + place)]))
                taken = build.load(plane(1, source), align=_ALIGNED)
                inputs.append(build.xor(taken, build.load(plane(2, which), align=_ALIGNED)))
            signals = _signals(build, circuit(box), inputs)
            for target, (signal, _) in zip(BOX_OUTPUTS[box], circuit(box).outputs, strict=True):
                at = plane(0, target)
                build.store(build.xor(build.load(at, align=_ALIGNED), signals[signal]), at, align=_ALIGNED)
        return context.get_dummy_value()

    return types.void(changing, other, key, chosen), generate


_round: Any = intrinsic(_emit_round)


def _emit_swap(
    _typing: Any,
    planes: Any,
    low: Any,  # noqa: ARG001 - numba counts them
    high: Any,  # noqa: ARG001
    shift: Any,  # noqa: ARG001
    mask: Any,  # noqa: ARG001
) -> Any:
    """Exchange the bits of plane ``low`` above ``shift`` with those of plane ``high`` under ``mask``."""

    def generate(context: Any, build: Any, signature: Any, arguments: Any) -> Any:
        start = build.bitcast(
            context.make_array(signature.args[0])(context, build, arguments[0]).data, _VECTOR.as_pointer()
        )

        def spread(word: Any) -> Any:
            one = build.insert_element(ir.Constant(_VECTOR, ir.Undefined), word, ir.Constant(ir.IntType(32), 0))
            lanes = ir.Constant(ir.VectorType(ir.IntType(32), VECTOR_WORDS), [0] * VECTOR_WORDS)
            return build.shuffle_vector(one, ir.Constant(_VECTOR, ir.Undefined), lanes)

        at_low, at_high = build.gep(start, [arguments[1]]), build.gep(start, [arguments[2]])
        shifts, masks = spread(arguments[3]), spread(arguments[4])
        lower, higher = build.load(at_low, align=_ALIGNED), build.load(at_high, align=_ALIGNED)
        moved = build.and_(build.xor(build.lshr(lower, shifts), higher), masks)
        build.store(build.xor(higher, moved), at_high, align=_ALIGNED)
        build.store(build.xor(lower, build.shl(moved, shifts)), at_low, align=_ALIGNED)
        return context.get_dummy_value()

    return types.void(planes, types.int64, types.int64, types.uint64, types.uint64), generate


_swap: Any = intrinsic(_emit_swap)


@compiled
def _transpose(planes: Words) -> None:  # pragma: no cover - compiled
    shift, mask = 32, np.uint64(0x00000000FFFFFFFF)
    while shift:
        low = 0
        while low < BITS:
            _swap(planes, low, low + shift, np.uint64(shift), mask)
            low = ((low | shift) + 1) & ~shift
        shift >>= 1
        if shift:
            mask = mask ^ (mask << np.uint64(shift))


@compiled
def _turn(planes: Words, column: Words, start: int) -> None:  # pragma: no cover - compiled
    """``LANES`` words of a column into 64 planes."""
    planes[:] = column[start : start + LANES]
    _transpose(planes)


@compiled
def _take_key(key: Words, planes: Words) -> None:  # pragma: no cover - compiled
    for bit in range(BITS):
        for word in range(VECTOR_WORDS):
            taken = planes[_KEY[bit] * VECTOR_WORDS + word]
            key[bit * VECTOR_WORDS + word] = taken
            key[(bit + BITS) * VECTOR_WORDS + word] = ~taken


@compiled
def _chain(left: Words, right: Words, planes: Words) -> None:  # pragma: no cover - compiled
    """The next block, exclusive-or the last output, whose halves come swapped."""
    for bit in range(HALF):
        for word in range(VECTOR_WORDS):
            at = bit * VECTOR_WORDS + word
            left_before = left[at]
            left[at] = planes[_LEFT[bit] * VECTOR_WORDS + word] ^ right[at]
            right[at] = planes[_RIGHT[bit] * VECTOR_WORDS + word] ^ left_before


@compiled
def _turn_back(left: Words, right: Words, planes: Words, made: Words, start: int) -> None:  # pragma: no cover
    planes[:] = np.uint64(0)
    for word in range(VECTOR_WORDS):
        for bit in range(HALF):
            if _LEFT[bit] >= _MAC:
                planes[(_LEFT[bit] - _MAC) * VECTOR_WORDS + word] = right[bit * VECTOR_WORDS + word]
            if _RIGHT[bit] >= _MAC:
                planes[(_RIGHT[bit] - _MAC) * VECTOR_WORDS + word] = left[bit * VECTOR_WORDS + word]
    _transpose(planes)
    made[start : start + LANES] = planes


@compiled
def _macs(keys: Words, blocks: Words, made: Words, count: int) -> None:  # pragma: no cover - compiled
    planes, key = np.empty(BITS * VECTOR_WORDS, np.uint64), np.empty(2 * BITS * VECTOR_WORDS, np.uint64)
    left, right = np.empty(HALF * VECTOR_WORDS, np.uint64), np.empty(HALF * VECTOR_WORDS, np.uint64)
    for start in range(0, count, LANES):
        _turn(planes, keys[0], start)
        _take_key(key, planes)
        left[:] = np.uint64(0)
        right[:] = np.uint64(0)
        for block in range(blocks.shape[0]):
            _turn(planes, blocks[block], start)
            _chain(left, right, planes)
            for number in range(0, 16, 2):
                _round(left, right, key, _SUBKEYS[number])
                _round(right, left, key, _SUBKEYS[number + 1])
        _turn_back(left, right, planes, made, start)
    key[:] = np.uint64(0)


def macs(keys: Words, blocks: Words) -> Words:
    """``plain.macs``."""
    return whole_and_rest(LANES, _macs, keys, blocks)
