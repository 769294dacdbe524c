"""HTTP of the feed."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends, Query

from backoffice.web import ServiceDep, service_caller
from issuing.feed.service import page
from rulebook.messages.facts import FeedPage

router = APIRouter(tags=["feed"])
PAGE_LIMIT = 5000


@router.get("/feed", dependencies=[Depends(service_caller)])
async def get_feed(
    here: ServiceDep,
    after: Annotated[int, Query(ge=0)] = 0,
    limit: Annotated[int, Query(ge=1, le=PAGE_LIMIT)] = 1000,
) -> FeedPage:
    """The facts with numbers above ``after``, in order."""
    async with here.database.reading() as session:
        return await page(session, after=after, limit=limit)
