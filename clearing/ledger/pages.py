"""What stood on the accounts at a moment in the past, or when a window had been closed."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

from fastapi import APIRouter, Query, Request, Response
from fastapi.responses import HTMLResponse

from backoffice.web import Now, ServiceDep, StaffDep
from clearing.ledger import queries
from clearing.ledger.lines import lines_after_window, lines_at
from clearing.ledger.sheet import position_of_float
from clearing.participants.service import city
from rulebook.calendar import BUSINESS_ZONE

router = APIRouter(include_in_schema=False, default_response_class=HTMLResponse)


@router.get("/balances")
async def balances(
    request: Request,
    _: StaffDep,
    here: ServiceDep,
    now: Now,
    book: str = "",
    at: datetime | None = None,
    window: Annotated[int | None, Query(ge=1)] = None,
) -> Response:
    """As of ``at`` (city time where it names no zone), or after ``window`` had been closed; now where neither is given."""
    moment = at or now
    moment = moment.replace(tzinfo=BUSINESS_ZONE) if moment.tzinfo is None else moment
    async with here.database.reading() as session:
        known, windows = await queries.books(session), await queries.chained_windows(session)
        books = {
            name: await lines_at(session, name, moment)
            if window is None
            else await lines_after_window(session, name, window)
            for name in known
            if book in ("", name)
        }
        names = {p.id: f"{p.zh} {p.en}" for p in (await city(session)).participants}
    sheets = {name: position_of_float(lines) for name, lines in books.items()}
    return here.page(
        request,
        "balances.html",
        200 if books and (window is None or window in windows) else 404,
        books=books,
        names=names,
        sheets=sheets,
        known=known,
        windows=windows,
        book=book,
        at=moment.astimezone(BUSINESS_ZONE),
        window=window,
    )
