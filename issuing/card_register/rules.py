"""States of a card. CLOSED is final; a card that was lost and found again is active again."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum, unique

from backoffice.states import step
from rulebook.messages.facts import CardState


@unique
class CardEvent(StrEnum):
    ACTIVATE = "activate"
    REPORT_LOSS = "report_loss"
    WITHDRAW_LOSS = "withdraw_loss"
    BLOCK = "block"
    UNBLOCK = "unblock"
    CLOSE = "close"


_S, _E = CardState, CardEvent
TABLE: Mapping[tuple[CardState, CardEvent], CardState] = {
    (_S.PERSONALISED, _E.ACTIVATE): _S.ACTIVE,
    (_S.PERSONALISED, _E.CLOSE): _S.CLOSED,
    (_S.ACTIVE, _E.REPORT_LOSS): _S.LOST,
    (_S.ACTIVE, _E.BLOCK): _S.BLOCKED,
    (_S.ACTIVE, _E.CLOSE): _S.CLOSED,
    (_S.LOST, _E.WITHDRAW_LOSS): _S.ACTIVE,
    (_S.LOST, _E.CLOSE): _S.CLOSED,
    (_S.BLOCKED, _E.UNBLOCK): _S.ACTIVE,
    (_S.BLOCKED, _E.REPORT_LOSS): _S.LOST,
    (_S.BLOCKED, _E.CLOSE): _S.CLOSED,
}

# design.md, "Deny list": a card in one of these states must not be accepted anywhere.
DENIED = frozenset({_S.LOST, _S.BLOCKED, _S.CLOSED})


def next_state(state: CardState, event: CardEvent) -> CardState:
    return step(TABLE, "The card", state, event)


def deny_change(before: CardState, after: CardState) -> bool | None:
    """True where the card comes onto the deny list, False where it leaves it, None where nothing changes."""
    return None if (before in DENIED) == (after in DENIED) else after in DENIED
