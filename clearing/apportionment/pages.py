"""Anybody of the staff can ask how a ride is shared, and why."""

from __future__ import annotations

from datetime import date
from typing import Annotated

from fastapi import APIRouter, Query, Request, Response
from fastapi.responses import HTMLResponse

from backoffice.problems import Refused
from backoffice.web import Now, ServiceDep, StaffDep
from clearing.apportionment.explaining import Explained, explained
from clearing.apportionment.rules import MalformedWeights
from clearing.participants import publishing
from clearing.participants.service import city, laid_out, newest_tariff
from rulebook.calendar import BUSINESS_ZONE
from rulebook.tariff import NoFare

router = APIRouter(include_in_schema=False, default_response_class=HTMLResponse)


@router.get("/apportionment")
async def apportionment(
    request: Request,
    _: StaffDep,
    here: ServiceDep,
    moment: Now,
    operator: str = "",
    origin: str = "",
    destination: str = "",
    minor: Annotated[int, Query(ge=0)] = 0,
    day: date | None = None,
) -> Response:
    """A form, and below it what was asked for."""
    day = day or moment.astimezone(BUSINESS_ZONE).date()
    async with here.database.reading() as session:
        agreements = await publishing.agreements(session)
        tariff = laid_out((await newest_tariff(session)).document)
        names = {p.id: f"{p.zh} {p.en}" for p in (await city(session)).participants}
    found: Explained | None = None
    if operator and agreements is not None:
        try:
            found = explained(
                agreements, tariff, day=day, operator=operator, origin=origin, destination=destination, minor=minor
            )
        except (NoFare, MalformedWeights) as error:
            raise Refused(404, "This ride is not shared", str(error), reason="ride_not_shared") from error
    operators = sorted({name for each in agreements.agreements for name in each.operators()}) if agreements else []
    return here.page(
        request,
        "apportionment.html",
        asked={"operator": operator, "origin": origin, "destination": destination, "minor": minor, "day": day},
        found=found,
        operators=operators,
        names=names,
        stations=tariff.stations,
    )
