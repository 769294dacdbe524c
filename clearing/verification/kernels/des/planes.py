"""Where the bits of DES stand when 64 records are turned into planes, and which key bit each round takes.

A record's 8 bytes are one big-endian number; plane p of 64 holds its bit p, of every record. DES bit k (0 the most significant
of the first byte) is then plane 63 − k.
"""

from __future__ import annotations

from functools import cache

from clearing.verification.kernels.des.circuits import circuit
from clearing.verification.kernels.des.wiring import EXPANSION, INITIAL, PERMUTATION, ROUNDS, key_schedule

BITS = 64
HALF = 32


def plane_of(bit: int) -> int:
    """``bit`` from 0, most significant first."""
    return BITS - 1 - bit


KEY_PLANES = tuple(plane_of(bit) for bit in range(BITS))
LEFT_PLANES = tuple(plane_of(bit - 1) for bit in INITIAL[:HALF])
RIGHT_PLANES = tuple(plane_of(bit - 1) for bit in INITIAL[HALF:])

MAC_PLANES = range(HALF, BITS)
"""Of the last block: its first four bytes."""

BOX_INPUTS = tuple(tuple(EXPANSION[6 * box + place] - 1 for place in range(6)) for box in range(8))
"""For each S-box, which bits of the other half it takes."""

BOX_OUTPUTS = tuple(tuple(PERMUTATION.index(4 * box + place + 1) for place in range(4)) for box in range(8))
"""For each S-box, which bits of the half its four results go into."""


@cache
def subkeys() -> tuple[tuple[int, ...], ...]:
    """For each round and each of its 48 subkey bits the key bit it takes, plus 64 where the complement of that is wanted:
    a half's bits are kept as the circuits leave them, complemented or not, and the key makes up for it."""
    held = {"left": [False] * HALF, "right": [False] * HALF}
    changing, other = "left", "right"
    table = []
    for bits in key_schedule():
        row = [
            bits[6 * box + place] + BITS * held[other][source]
            for box in range(8)
            for place, source in enumerate(BOX_INPUTS[box])
        ]
        for box in range(8):
            for target, (_, complement) in zip(BOX_OUTPUTS[box], circuit(box).outputs, strict=True):
                held[changing][target] ^= complement
        table.append(tuple(row))
        changing, other = other, changing
    assert len(table) == ROUNDS
    assert not any((*held["left"], *held["right"])), "after sixteen rounds every bit is itself again"
    return tuple(table)
