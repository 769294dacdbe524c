"""States of a blank. USED and SCRAPPED are final: a chip never comes back to the shelf."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum, unique

from backoffice.states import step


@unique
class BlankKind(StrEnum):
    CARD = "card"
    TRANSIT_SAM = "transit-sam"
    HOSPITAL_SAM = "hospital-sam"


@unique
class BlankState(StrEnum):
    IN_STOCK = "in_stock"
    IN_PRODUCTION = "in_production"
    USED = "used"
    SCRAPPED = "scrapped"


@unique
class BlankEvent(StrEnum):
    RECEIVE = "receive"  # only in the log: it makes the blank
    START = "start"
    FINISH = "finish"
    SCRAP = "scrap"


_S, _E = BlankState, BlankEvent
TABLE: Mapping[tuple[BlankState, BlankEvent], BlankState] = {
    (_S.IN_STOCK, _E.START): _S.IN_PRODUCTION,
    (_S.IN_STOCK, _E.SCRAP): _S.SCRAPPED,
    (_S.IN_PRODUCTION, _E.FINISH): _S.USED,
    (_S.IN_PRODUCTION, _E.SCRAP): _S.SCRAPPED,
}


def next_state(state: BlankState, event: BlankEvent) -> BlankState:
    return step(TABLE, "The blank", state, event)
