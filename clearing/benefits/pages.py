"""The console's page of medical settlements: how each came about, without saying whose it was."""

from __future__ import annotations

from fastapi import APIRouter, Request, Response
from fastapi.responses import HTMLResponse

from backoffice.web import ServiceDep, StaffDep
from clearing.benefits import queries
from clearing.participants.service import city

router = APIRouter(include_in_schema=False, default_response_class=HTMLResponse)
SHOWN = 200


@router.get("/visits")
async def visits(request: Request, _: StaffDep, here: ServiceDep) -> Response:
    """The newest settlements, each with its trace."""
    async with here.database.reading() as session:
        settlements = await queries.newest_settlements(session, SHOWN)
        names = {p.id: f"{p.zh} {p.en}" for p in (await city(session)).participants}
    return here.page(request, "visits.html", settlements=settlements, names=names, shown=SHOWN)
