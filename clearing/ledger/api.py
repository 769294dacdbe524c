"""Reservations that are due, over HTTP."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends
from pydantic import BaseModel

from backoffice.staff import Staff
from backoffice.web import Now, ServiceDep, require_role
from clearing.demonstration import SETTLEMENT
from clearing.ledger.service import expire
from rulebook.calendar import BUSINESS_ZONE

router = APIRouter(tags=["ledger"])
Clerk = Annotated[Staff, Depends(require_role(SETTLEMENT))]


class Expired(BaseModel):
    """``pending``: ids of the reservations that were given back, in order."""

    pending: list[str]


@router.post("/reservations/expiry")
async def expire_reservations(staff: Clerk, here: ServiceDep, moment: Now) -> Expired:
    """Give back what is due today. Nobody decides anything here: the day was agreed when it was reserved, and a load has
    none. A repeat gives back nothing more."""
    async with here.database.transaction() as session:
        posted = await expire(session, today=moment.astimezone(BUSINESS_ZONE).date(), now=moment)
        pending = [each.transfer.pending_id for each in posted]
        if pending:
            act = "reservations expired"
            await here.accounts.record(session, now=moment, actor=staff.name, act=act, subject=", ".join(pending))
    return Expired(pending=pending)
