"""The page of gaps."""

from __future__ import annotations

from fastapi import APIRouter, Request, Response
from fastapi.responses import HTMLResponse

from backoffice.web import Now, ServiceDep, StaffDep
from clearing.gaps import queries
from clearing.gaps.rules import GAPS
from clearing.participants.service import city
from rulebook.calendar import BUSINESS_ZONE

router = APIRouter(include_in_schema=False, default_response_class=HTMLResponse)
SHOWN = 200


@router.get("/gaps")
async def gaps(request: Request, _: StaffDep, here: ServiceDep, moment: Now) -> Response:
    today = moment.astimezone(BUSINESS_ZONE).date()
    async with here.database.reading() as session:
        open_ = [(row, queries.gap_of(row)) for row in await queries.most_urgent(session, SHOWN)]
        ended = await queries.newest_ended(session, SHOWN)
        owners = await queries.by_owner(session, today=today)
        names = {p.id: f"{p.zh} {p.en}" for p in (await city(session)).participants}
    return here.page(
        request,
        "gaps.html",
        open=open_,
        ended=ended,
        owners=owners,
        names=names,
        kinds=GAPS,
        today=today,
        shown=SHOWN,
    )
