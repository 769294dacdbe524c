"""The one step of diversification both vaults share: a column of factors as the cipher takes it (standards.md §2.5)."""

from __future__ import annotations

from array import array
from collections.abc import Sequence

FACTOR_LENGTH = 8


def with_complements(column: bytes) -> bytes:
    """``f ‖ NOT f`` for each 8-byte factor of ``column``, so that one ECB call makes one 16-byte key for each.

    Raises ``ValueError`` for a column that is not whole factors.
    """
    if len(column) % FACTOR_LENGTH:
        raise ValueError(f"column has {len(column)} bytes; it must be whole factors of {FACTOR_LENGTH}")
    plain = array("Q", column)
    inverted = array("Q", column.translate(_COMPLEMENT))
    both = array("Q", bytes(2 * len(column)))
    both[0::2], both[1::2] = plain, inverted
    return both.tobytes()


_COMPLEMENT = bytes(0xFF - value for value in range(256))


def checked_factors(factors: Sequence[bytes]) -> Sequence[bytes]:
    """``factors`` as they are; raises ``ValueError`` for one that is not 8 bytes."""
    for position, factor in enumerate(factors, 1):
        if len(factor) != FACTOR_LENGTH:
            raise ValueError(f"factor {position} has {len(factor)} bytes; a factor has {FACTOR_LENGTH}")
    return factors
