"""SM4 CBC-MAC compiled, one record after the other, for processors that have no instruction for the S-box."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from clearing.verification.kernels.compiling import compiled
from clearing.verification.kernels.kernel import Words
from clearing.verification.kernels.sm4.tables import CONSTANTS, DATA_TURNS, KEY_TURNS, ROUNDS, SYSTEM, byte_tables

_DATA, _KEY = byte_tables(DATA_TURNS), byte_tables(KEY_TURNS)
_CONSTANTS, _SYSTEM = np.array(CONSTANTS, dtype=np.uint32), np.array(SYSTEM, dtype=np.uint32)
_HALF = np.uint64(32)


@compiled
def _looked_up(tables: NDArray[np.uint32], word: Any) -> Any:  # pragma: no cover - compiled
    return tables[0, word & 0xFF] ^ tables[1, word >> 8 & 0xFF] ^ tables[2, word >> 16 & 0xFF] ^ tables[3, word >> 24]


@compiled
def _macs(keys: Words, blocks: Words, made: Words) -> None:  # pragma: no cover - compiled
    round_keys, state, words = np.empty(ROUNDS, np.uint32), np.empty(4, np.uint32), np.empty(4 + ROUNDS, np.uint32)
    for record in range(made.size):
        for row in range(2):
            words[2 * row] = np.uint32(keys[row, record] >> _HALF) ^ _SYSTEM[2 * row]
            words[2 * row + 1] = np.uint32(keys[row, record]) ^ _SYSTEM[2 * row + 1]
        for n in range(ROUNDS):
            words[n + 4] = words[n] ^ _looked_up(_KEY, words[n + 1] ^ words[n + 2] ^ words[n + 3] ^ _CONSTANTS[n])
            round_keys[n] = words[n + 4]
        state[:] = np.uint32(0)
        for block in range(0, blocks.shape[0], 2):
            for row in range(2):
                words[2 * row] = np.uint32(blocks[block + row, record] >> _HALF) ^ state[2 * row]
                words[2 * row + 1] = np.uint32(blocks[block + row, record]) ^ state[2 * row + 1]
            for n in range(ROUNDS):
                words[n + 4] = words[n] ^ _looked_up(_DATA, words[n + 1] ^ words[n + 2] ^ words[n + 3] ^ round_keys[n])
            for row in range(4):
                state[row] = words[ROUNDS + 3 - row]
        made[record] = state[0]
    round_keys[:] = np.uint32(0)
    words[:] = np.uint32(0)


def macs(keys: Words, blocks: Words) -> Words:
    """``plain.macs``."""
    made = np.empty(keys.shape[1], dtype=np.uint64)
    _macs(np.ascontiguousarray(keys), np.ascontiguousarray(blocks), made)
    return made
