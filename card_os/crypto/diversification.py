"""Child keys: child = 3DES(MK, f) ‖ 3DES(MK, NOT f), level by level (standards.md §2.5).

The 3DES rule has no public vector; the tests hold regression values agreed by a second implementation.
"""

from __future__ import annotations

from collections.abc import Sequence

from card_os.crypto.des import encrypt_ecb
from card_os.crypto.secret import Secret

FACTOR = 8
_INVERTED = bytes(range(255, -1, -1))


def factor_column(factors: bytes) -> bytes:
    """``f ‖ NOT f`` for every 8-byte factor of ``factors``: what the last level encrypts, 16 bytes for each."""
    if len(factors) % FACTOR:
        raise ValueError(f"factors have {len(factors)} bytes; each is {FACTOR}")
    pairs = memoryview(bytearray(2 * len(factors))).cast("Q")
    pairs[0::2] = memoryview(factors).cast("Q")
    pairs[1::2] = memoryview(factors.translate(_INVERTED)).cast("Q")
    return pairs.tobytes()


def child_key(master: bytes, factor: bytes) -> Secret:
    """One level: the 16-byte child of ``master`` at an 8-byte ``factor``."""
    if len(factor) != FACTOR:
        raise ValueError(f"factor has {len(factor)} bytes; it must have {FACTOR}")
    return Secret(encrypt_ecb(master, factor_column(factor)))


def child_of_levels(master: bytes, factors: Sequence[bytes]) -> Secret:
    """The key at the end of ``factors``, applied in their order: issuer or city first, card last."""
    key = Secret(master)
    for factor in factors:
        key = child_key(key, factor)
    return key


def child_keys(master: bytes, column: bytes) -> Secret:
    """One level for a column of n factors of 8 bytes: n children of 16 bytes, in one encryption call."""
    return Secret(encrypt_ecb(master, factor_column(column)))
