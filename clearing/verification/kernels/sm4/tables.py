"""The constants of SM4 (GB/T 32907-2016 §6 and §7), and its round functions as tables.

A word is 32 bits, byte 0 its least significant.
"""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

ROUNDS: Final = 32
S_BOX: Final = bytes.fromhex(
    "D690E9FECCE13DB716B614C228FB2C052B679A762ABE04C3AA44132649860699"
    "9C4250F491EF987A33540B43EDCFAC62E4B31CA9C908E89580DF94FA758F3FA6"
    "4707A7FCF37317BA83593C19E6854FA8686B81B27164DA8BF8EB0F4B70569D35"
    "1E240E5E6358D1A225227C3B01217887D40046579FD327524C3602E7A0C4C89E"
    "EABF8AD240C738B5A3F7F2CEF96115A1E0AE5DA49B341A55AD933230F58CB1E3"
    "1DF6E22E8266CA60C02923AB0D534E6FD5DB3745DEFD8E2F03FF6A726D6C5B51"
    "8D1BAF92BBDDBC7F11D95C411F105AD80AC13188A5CD7BBD2D74D012B8E5B4B0"
    "8969974A0C96777E65B9F109C56EC68418F07DEC3ADC4D2079EE5F3ED7CB3948"
)
SYSTEM: Final = (0xA3B1BAC6, 0x56AA3350, 0x677D9197, 0xB27022DC)
"""FK, exclusive-or with the key before its schedule."""

CONSTANTS: Final = tuple(
    sum(((4 * number + place) * 7 & 0xFF) << (24 - 8 * place) for place in range(4)) for number in range(ROUNDS)
)
"""CK of each round of the schedule."""

DATA_TURNS: Final = (2, 10, 18, 24)
KEY_TURNS: Final = (13, 23)
"""By how much the linear transformations L and L' turn their word to the left, besides not at all."""


def linear(word: int, turns: tuple[int, ...]) -> int:
    """L or L'."""
    result = word
    for turn in turns:
        result ^= (word << turn | word >> (32 - turn)) & 0xFFFFFFFF
    return result


def byte_tables(turns: tuple[int, ...]) -> NDArray[np.uint32]:
    """(4, 256): S-box and linear transformation of a word are the exclusive-or of its four bytes' entries."""
    return np.array([[linear(S_BOX[byte] << 8 * place, turns) for byte in range(256)] for place in range(4)], np.uint32)


def pair_tables(turns: tuple[int, ...]) -> NDArray[np.uint32]:
    """(2, 65536): the same by its two halves, the lower first."""
    bytes_ = byte_tables(turns)
    half = np.arange(1 << 16)
    return np.stack([bytes_[2 * place][half & 0xFF] ^ bytes_[2 * place + 1][half >> 8] for place in range(2)])
