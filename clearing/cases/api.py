"""Cases over HTTP: forms, so that a page's buttons and a program send the same."""

from __future__ import annotations

from typing import Annotated, TypeAlias

from fastapi import APIRouter, Depends, Form, Request, Response
from fastapi.responses import HTMLResponse, RedirectResponse
from sqlalchemy.ext.asyncio import AsyncSession

from backoffice.forms import FenAboveZero
from backoffice.problems import Refused
from backoffice.staff import Staff
from backoffice.web import Now, ServiceDep, StaffDep, require_role
from clearing.cases import queries, service
from clearing.cases.disputes import dispute
from clearing.cases.rules import KINDS, RESOLUTIONS, Resolution
from clearing.cases.tables import CaseRow
from clearing.cases.views import CaseView, case_view
from clearing.demonstration import SETTLEMENT
from clearing.participants.service import city
from rulebook.calendar import BUSINESS_ZONE

router = APIRouter(tags=["cases"])
Clerk = Annotated[Staff, Depends(require_role(SETTLEMENT))]
Note: TypeAlias = Annotated[str, Form(max_length=2000)]
CLOSED_SHOWN = 50
WAITING_SHOWN = 500


@router.post("/cases", status_code=201, response_model=CaseView)
async def open_dispute(
    request: Request,
    staff: Clerk,
    here: ServiceDep,
    moment: Now,
    number: Annotated[str, Form(pattern=r"^[A-Za-z0-9-]{1,40}$")],
    book: Annotated[str, Form()],
    claimant: Annotated[str, Form()],
    respondent: Annotated[str, Form()],
    amount_minor: FenAboveZero,
    note: Note,
) -> CaseView | Response:
    """A participant claims money of another. ``number`` is the claimant's own; the same again changes nothing."""
    async with here.database.transaction() as session:
        of = await city(session)
        subject = dispute(
            of, number=number, book=book, claimant=claimant, respondent=respondent, amount_minor=amount_minor, note=note
        )
        await service.open_cases(session, [subject], calendar=of.rules().calendar, actor=staff.name, now=moment)
        row = await existing(session, subject.id)
        return await _answer(request, session, row, moment)


@router.post("/cases/{case}/answer", response_model=CaseView)
async def answer(
    case: str, request: Request, staff: Clerk, here: ServiceDep, moment: Now, note: Note
) -> CaseView | Response:
    async with here.database.transaction() as session:
        row = await service.answer(session, case, note, actor=staff.name, now=moment)
        return await _answer(request, session, row, moment)


@router.post("/cases/{case}/proposal", response_model=CaseView)
async def propose(
    case: str,
    request: Request,
    staff: Clerk,
    here: ServiceDep,
    moment: Now,
    resolution: Annotated[Resolution, Form()],
    note: Note,
) -> CaseView | Response:
    """The first person."""
    async with here.database.transaction() as session:
        row = await service.propose(session, case, resolution, note, actor=staff.name, now=moment)
        await here.accounts.record(
            session, now=moment, actor=staff.name, act="case end proposed", subject=case, resolution=resolution
        )
        return await _answer(request, session, row, moment)


@router.post("/cases/{case}/approval", response_model=CaseView)
async def approve(case: str, request: Request, staff: Clerk, here: ServiceDep, moment: Now) -> CaseView | Response:
    """The second person; the entry is posted."""
    async with here.database.transaction() as session:
        row = await service.approve(session, case, actor=staff.name, now=moment)
        await here.accounts.record(
            session, now=moment, actor=staff.name, act="case end approved", subject=case, resolution=row.resolution
        )
        return await _answer(request, session, row, moment)


@router.post("/cases/{case}/withdrawal", response_model=CaseView)
async def withdraw(case: str, request: Request, staff: Clerk, here: ServiceDep, moment: Now) -> CaseView | Response:
    async with here.database.transaction() as session:
        row = await service.withdraw(session, case, actor=staff.name, now=moment)
        await here.accounts.record(session, now=moment, actor=staff.name, act="case end withdrawn", subject=case)
        return await _answer(request, session, row, moment)


@router.get("/cases", include_in_schema=False, response_class=HTMLResponse)
async def case_list(request: Request, _: StaffDep, here: ServiceDep, moment: Now) -> Response:
    today = moment.astimezone(BUSINESS_ZONE).date()
    async with here.database.reading() as session:
        waiting = [case_view(row, today=today) for row in await queries.waiting(session)]
        closed = [case_view(row, today=today) for row in await queries.closed(session, CLOSED_SHOWN)]
        of = await city(session)
    names = {p.id: f"{p.zh} {p.en}" for p in of.participants}
    return here.page(
        request,
        "cases.html",
        waiting=waiting[:WAITING_SHOWN],
        all_waiting=len(waiting),
        closed=closed,
        kinds=KINDS,
        ends=RESOLUTIONS,
        names=names,
        books=sorted(of.keepers),
    )


@router.get("/cases/{case}", include_in_schema=False, response_class=HTMLResponse)
async def case_page(case: str, request: Request, staff: StaffDep, here: ServiceDep, moment: Now) -> Response:
    today = moment.astimezone(BUSINESS_ZONE).date()
    async with here.database.reading() as session:
        view = case_view(await existing(session, case), await queries.steps(session, case), today=today)
        names = {p.id: f"{p.zh} {p.en}" for p in (await city(session)).participants}
    return here.page(request, "case.html", case=view, kinds=KINDS, ends=RESOLUTIONS, names=names, staff=staff)


async def existing(session: AsyncSession, case: str) -> CaseRow:
    """Raises ``Refused`` 404."""
    row = await session.get(CaseRow, case)
    if row is None:
        raise Refused(404, "There is no such case", f"case is {case}", reason="case_unknown")
    return row


async def _answer(request: Request, session: AsyncSession, row: CaseRow, moment: Now) -> CaseView | Response:
    """Somebody who pressed a button on the page goes back to the page."""
    if "text/html" in request.headers.get("accept", ""):
        return RedirectResponse(f"/cases/{row.id}", 303)
    return case_view(row, await queries.steps(session, row.id), today=moment.astimezone(BUSINESS_ZONE).date())
