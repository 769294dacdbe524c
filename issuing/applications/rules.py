"""States of an application. A scrapped blank sends it back to wait for another; REFUSED and HANDED_OVER are final."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum, unique

from backoffice.states import step


@unique
class ApplicationState(StrEnum):
    SUBMITTED = "submitted"
    APPROVED = "approved"
    REFUSED = "refused"
    IN_PRODUCTION = "in_production"
    ISSUED = "issued"
    HANDED_OVER = "handed_over"


@unique
class ApplicationEvent(StrEnum):
    APPROVE = "approve"
    REFUSE = "refuse"
    START = "start"
    SCRAP = "scrap"
    FINISH = "finish"
    HAND_OVER = "hand_over"


_A, _E = ApplicationState, ApplicationEvent
TABLE: Mapping[tuple[ApplicationState, ApplicationEvent], ApplicationState] = {
    (_A.SUBMITTED, _E.APPROVE): _A.APPROVED,
    (_A.SUBMITTED, _E.REFUSE): _A.REFUSED,
    (_A.APPROVED, _E.START): _A.IN_PRODUCTION,
    (_A.IN_PRODUCTION, _E.SCRAP): _A.APPROVED,
    (_A.IN_PRODUCTION, _E.FINISH): _A.ISSUED,
    (_A.ISSUED, _E.HAND_OVER): _A.HANDED_OVER,
}

# A person has at most one application in these states; ISSUED is followed by a card in the card register.
OPEN = (_A.SUBMITTED, _A.APPROVED, _A.IN_PRODUCTION)


def next_state(state: ApplicationState, event: ApplicationEvent) -> ApplicationState:
    return step(TABLE, "The application", state, event)
