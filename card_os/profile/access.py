"""Access rights: one byte XY, allowed while the security state is from Y to X (standards.md §1.5 [P]).

Ours: states 1 to 9 live in the register of the selected DF and fall when another DF is selected; states A to F live in the MF's
register, which holds from EXTERNAL AUTHENTICATE in the MF until reset. So the right to
administer the card does not have to be won in every DF.
"""

from __future__ import annotations

from enum import IntEnum, unique


@unique
class Level(IntEnum):
    """The security states this project's cards know."""

    FREE = 0x0
    PIN = 0x1
    APPLICATION = 0x2
    ADMINISTRATION = 0xA
    NEVER = 0xF


FIRST_CARD_STATE = 0xA


def access_byte(level: Level) -> int:
    """The XY of a level; NEVER is 0F, which no state satisfies."""
    return 0x0F if level is Level.NEVER else 0xF0 | level


def allows(access: int, *, own_state: int, card_state: int) -> bool:
    """Whether ``access`` is satisfied by the DF's register and the MF's."""
    highest, lowest = access >> 4, access & 0xF
    return lowest <= (card_state if lowest >= FIRST_CARD_STATE else own_state) <= highest
