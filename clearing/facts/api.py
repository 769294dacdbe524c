"""``POST /feed/pull``."""

from __future__ import annotations

from typing import Annotated

import httpx
from fastapi import APIRouter, Depends, Request
from pydantic import BaseModel

from backoffice.problems import Refused
from backoffice.web import Now, ServiceDep, service_caller
from clearing.facts.queries import feed_position
from clearing.facts.service import FeedBroken, pull
from clearing.participants.service import open_personal_accounts

router = APIRouter(tags=["feed"])


class Pulled(BaseModel):
    """``items`` were new; ``position`` is the last number applied."""

    items: int
    position: int


def issuing_client(request: Request) -> httpx.AsyncClient:
    """FastAPI dependency: the way to issuing, with base URL and service token (``app.state.issuing``)."""
    client: httpx.AsyncClient = request.app.state.issuing
    return client


@router.post("/feed/pull", dependencies=[Depends(service_caller)])
async def pull_now(
    here: ServiceDep, moment: Now, issuing: Annotated[httpx.AsyncClient, Depends(issuing_client)]
) -> Pulled:
    async with here.database.transaction() as session:
        try:
            items = await pull(session, issuing)
        except (httpx.HTTPError, FeedBroken, ValueError) as error:
            raise Refused(502, "Issuing's feed cannot be pulled", str(error), reason="feed_unavailable") from error
        await open_personal_accounts(session, now=moment)
        return Pulled(items=items, position=await feed_position(session))
