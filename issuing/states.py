"""The one function behind every state machine of issuing: a table of (state, event) → state."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import TypeVar

from backoffice.problems import Refused

S = TypeVar("S", bound=StrEnum)
E = TypeVar("E", bound=StrEnum)


class NotInThisState(Refused):
    """A pair that is not in the table. 409: a retry does not help until something else changed."""

    def __init__(self, what: str, state: StrEnum, event: StrEnum) -> None:
        super().__init__(
            409, f"{what} is {state}", f"{event} is not possible in the state {state}", reason="not_in_this_state"
        )


def step(table: Mapping[tuple[S, E], S], what: str, state: S, event: E) -> S:
    """The state after ``event``. Raises ``NotInThisState``; ``what`` names the thing to the reader."""
    try:
        return table[state, event]
    except KeyError:
        raise NotInThisState(what, state, event) from None
