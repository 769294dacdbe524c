"""The wiring of DES (FIPS 46-3) as tables: permutations, the key schedule as a choice of bits, and the S-boxes.

Numbers in the permutations are the standard's: bit 1 is the most significant of 64 (or 32, or 56).
"""

from __future__ import annotations

from typing import Final

ROUNDS = 16

INITIAL: Final = tuple(column - 8 * row for column in (58, 60, 62, 64, 57, 59, 61, 63) for row in range(8))
EXPANSION: Final = tuple((4 * box + place - 2) % 32 + 1 for box in range(8) for place in range(1, 7))
# fmt: off
PERMUTATION: Final = (
    16, 7, 20, 21, 29, 12, 28, 17, 1, 15, 23, 26, 5, 18, 31, 10,
    2, 8, 24, 14, 32, 27, 3, 9, 19, 13, 30, 6, 22, 11, 4, 25,
)
_CHOICE_1 = (
    57, 49, 41, 33, 25, 17, 9, 1, 58, 50, 42, 34, 26, 18, 10, 2, 59, 51, 43, 35, 27, 19, 11, 3, 60, 52, 44, 36,
    63, 55, 47, 39, 31, 23, 15, 7, 62, 54, 46, 38, 30, 22, 14, 6, 61, 53, 45, 37, 29, 21, 13, 5, 28, 20, 12, 4,
)
_CHOICE_2 = (
    14, 17, 11, 24, 1, 5, 3, 28, 15, 6, 21, 10, 23, 19, 12, 4, 26, 8, 16, 7, 27, 20, 13, 2,
    41, 52, 31, 37, 47, 55, 30, 40, 51, 45, 33, 48, 44, 49, 39, 56, 34, 53, 46, 42, 50, 36, 29, 32,
)
_SHIFTS = (1, 1, 2, 2, 2, 2, 2, 2, 1, 2, 2, 2, 2, 2, 2, 1)
_BOXES = (
    "E4D12FB83A6C5907 0F74E2D1A6CB9538 41E8D62BFC973A50 FC8249175B3EA06D",
    "F18E6B34972DC05A 3D47F28EC01A69B5 0E7BA4D158C6932F D8A13F42B67C05E9",
    "A09E63F51DC7B428 D709346A285ECBF1 D6498F30B12C5AE7 1AD069874FE3B52C",
    "7DE3069A1285BC4F D8B56F03472C1AE9 A690CB7DF13E5284 3F06A1D8945BC72E",
    "2C417AB6853FD0E9 EB2C47D150FA3986 421BAD78F9C5630E B8C71E2D6F09A453",
    "C1AF92680D34E75B AF427C9561DE0B38 9EF528C3704A1DB6 432C95FABE17608D",
    "4B2EF08D3C975A61 D0B7491AE35C2F86 14BDC37EAF680592 6BD814A7950FE23C",
    "D2846FB1A93E50C7 1FD8A374C56B0E92 7B419CE206ADF358 21E74A8DFC90356B",
)
# fmt: on


def s_box(box: int, bits: int) -> int:
    """Four bits for six, both most significant first: the outer two choose the row, the inner four the column."""
    row, column = bits >> 4 & 2 | bits & 1, bits >> 1 & 15
    return int(_BOXES[box].split()[row][column], 16)


def key_schedule() -> tuple[tuple[int, ...], ...]:
    """For each round, which bit of the 64-bit key (0 the most significant) each of the 48 subkey bits is."""
    c: tuple[int, ...] = _CHOICE_1[:28]
    d: tuple[int, ...] = _CHOICE_1[28:]
    rounds = []
    for shift in _SHIFTS:
        c, d = c[shift:] + c[:shift], d[shift:] + d[:shift]
        rounds.append(tuple((c + d)[choice - 1] - 1 for choice in _CHOICE_2))
    return tuple(rounds)
