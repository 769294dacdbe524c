"""The one function behind every state machine of the services: a table of (state, event) → state."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import TypeVar

from backoffice.problems import Refused

S = TypeVar("S", bound=StrEnum)
E = TypeVar("E", bound=StrEnum)


class NotInThisState(Refused):
    """A pair that is not in the table; nothing was changed. 409: a retry does not help until something else changed."""


def step(table: Mapping[tuple[S, E], S], what: str, state: S, event: E, *, reason: str = "not_in_this_state") -> S:
    """The state of ``what`` (the thing as the reader knows it: ``window 3``) after ``event``. Raises ``NotInThisState``,
    which says in which states the event is possible."""
    try:
        return table[state, event]
    except KeyError:
        allowed = " or ".join(before for before, known in table if known is event)
        way_out = f"for {event} it must be {allowed}" if allowed else f"{event} is possible in no state"
        title = "It is not in that state / 当前状态下不能这样做"
        raise NotInThisState(409, title, f"{what} is {state}; {way_out}", reason=reason) from None
