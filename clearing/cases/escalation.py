"""What nobody ended in time goes to the keeper of the book: called after each close and by the service's timer."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy.ext.asyncio import AsyncSession

from clearing.cases.service import escalate_overdue
from clearing.participants.service import city

ACTOR = "clearing"


async def escalate(session: AsyncSession, *, now: datetime) -> list[str]:
    """The ids of those that were escalated now."""
    of = await city(session)
    return await escalate_overdue(session, keepers=of.keepers, calendar=of.rules().calendar, actor=ACTOR, now=now)
