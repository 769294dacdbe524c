"""The S-box of SM4 by the inverse in AES' field, which processors have an instruction for: one affine map before, one after.

Both ciphers invert in GF(2^8), of which there is only one: where SM4's polynomial has a root in AES' field, the powers of that
root carry every element over.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import reduce
from operator import xor
from typing import Final, NamedTuple, TypeAlias

from clearing.verification.kernels.sm4.tables import S_BOX

SM4_POLYNOMIAL: Final = 0x1F5
AES_POLYNOMIAL: Final = 0x11B
_SM4_ROWS, _SM4_CONSTANT = 0xA7A7, 0xD3
_AES_CONSTANT = 0x63

Map: TypeAlias = tuple[int, ...]
"""Of a byte to a byte: 256 values."""


class WrongSBox(ValueError):
    """The maps do not make the S-box of the standard."""


class SBox(NamedTuple):
    """S(x) = after(1 / before(x)) in AES' field; both maps are affine."""

    before: Map
    after: Map


def s_box() -> SBox:
    """Every input tried. Raises ``WrongSBox``."""
    powers = _powers_of_a_root()
    carried = tuple(_sum(powers[bit] for bit in range(8) if byte >> bit & 1) for byte in range(256))
    affine = tuple(_sm4_affine(byte) for byte in range(256))
    before = composed(carried, affine)
    after = composed(affine, inverted(carried))
    made = composed(after, composed(aes_inverses(), before))
    if bytes(made) != S_BOX:
        raise WrongSBox("the maps before and after the inverse in AES' field do not make the S-box of SM4")
    return SBox(before, after)


def after_aes_s_box(after: Map) -> Map:
    """``after`` for what has been through the affine map of AES' own S-box as well."""
    return composed(after, inverted(tuple(_aes_affine(byte) for byte in range(256))))


def composed(last: Map, first: Map) -> Map:
    return tuple(last[byte] for byte in first)


def inverted(one: Map) -> Map:
    return tuple(sorted(range(256), key=one.__getitem__))


def aes_inverses() -> Map:
    """0 for 0."""
    return tuple(_power(byte, 254) for byte in range(256))


def _powers_of_a_root() -> list[int]:
    for candidate in range(2, 256):
        powers = [_power(candidate, exponent) for exponent in range(9)]
        if _sum(power for bit, power in enumerate(powers) if SM4_POLYNOMIAL >> bit & 1) == 0:
            return powers
    raise AssertionError("every polynomial of degree 8 that has no factors has roots in GF(2^8)")


def _power(base: int, exponent: int) -> int:
    product = 1
    for _ in range(exponent):
        product = _multiplied(product, base)
    return product


def _multiplied(left: int, right: int) -> int:
    product = 0
    while right:
        product ^= left * (right & 1)
        left <<= 1
        left ^= AES_POLYNOMIAL * (left >> 8)
        right >>= 1
    return product


def _sum(elements: Iterable[int]) -> int:
    return reduce(xor, elements, 0)


def _sm4_affine(byte: int) -> int:
    """The circulant matrix whose row for bit n is A7 turned left by n, and the constant."""
    rows = [(_SM4_ROWS >> 8 - bit) & 0xFF for bit in range(8)]
    return sum(((row & byte).bit_count() & 1) << bit for bit, row in enumerate(rows)) ^ _SM4_CONSTANT


def _aes_affine(byte: int) -> int:
    """FIPS 197 §5.1.1."""
    doubled = byte << 8 | byte
    return (byte ^ doubled >> 4 ^ doubled >> 5 ^ doubled >> 6 ^ doubled >> 7) & 0xFF ^ _AES_CONSTANT
