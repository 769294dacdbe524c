"""States of a SAM. It comes into the register when it is personalised; LOST is final."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum, unique

from backoffice.states import step
from rulebook.messages.facts import SamState


@unique
class SamEvent(StrEnum):
    BIND = "bind"
    UNBIND = "unbind"
    REPORT_LOSS = "report_loss"


_S, _E = SamState, SamEvent
TABLE: Mapping[tuple[SamState, SamEvent], SamState] = {
    (_S.PERSONALISED, _E.BIND): _S.BOUND,
    (_S.BOUND, _E.UNBIND): _S.PERSONALISED,
    (_S.PERSONALISED, _E.REPORT_LOSS): _S.LOST,
    (_S.BOUND, _E.REPORT_LOSS): _S.LOST,
}


def next_state(state: SamState, event: SamEvent) -> SamState:
    return step(TABLE, "The SAM", state, event)
