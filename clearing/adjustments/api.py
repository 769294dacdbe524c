"""Adjustments over HTTP: forms, so that a page's buttons and a program send the same; and the pages."""

from __future__ import annotations

from datetime import date, datetime
from typing import Annotated, Any, TypeAlias
from urllib.parse import quote

from fastapi import APIRouter, Depends, Form, Request, Response
from fastapi.responses import HTMLResponse, RedirectResponse
from pydantic import AfterValidator, BaseModel, ConfigDict

from backoffice.forms import Fen
from backoffice.staff import Staff
from backoffice.web import Now, Service, ServiceDep, StaffDep, require_role
from clearing.adjustments import queries, service
from clearing.adjustments.rules import CORRECTED, REASONS, STATES, AdjustmentState, Corrects, Reason
from clearing.adjustments.tables import AdjustmentRow
from clearing.demonstration import SETTLEMENT
from clearing.participants.service import city
from rulebook.calendar import BUSINESS_ZONE

router = APIRouter(tags=["adjustments"])
Clerk = Annotated[Staff, Depends(require_role(SETTLEMENT))]
Number: TypeAlias = Annotated[str, Form(pattern=r"^[A-Za-z0-9-]{1,40}$")]
Text: TypeAlias = Annotated[str, Form(max_length=2000)]
# The database gives moments in its own zone; a repeat must answer what the first answer was.
CityTime: TypeAlias = Annotated[datetime, AfterValidator(lambda moment: moment.astimezone(BUSINESS_ZONE))]


class AdjustmentView(BaseModel):
    """An adjustment as it goes over HTTP. ``corrected`` is a case's id, a window's number or another adjustment's id."""

    model_config = ConfigDict(from_attributes=True)

    id: str
    book: str
    giver: str
    receiver: str
    debit: str
    credit: str
    amount_minor: int
    reason: Reason
    text: str
    corrects: Corrects
    corrected: str
    state: AdjustmentState
    proposed_by: str
    proposed_at: CityTime
    decided_by: str | None
    decided_at: CityTime | None
    note: str
    business_day: date | None


@router.post("/adjustments", status_code=201, response_model=AdjustmentView)
async def propose(
    request: Request,
    staff: Clerk,
    here: ServiceDep,
    moment: Now,
    number: Number,
    book: Annotated[str, Form()],
    giver: Annotated[str, Form()],
    receiver: Annotated[str, Form()],
    amount_minor: Fen,
    reason: Annotated[Reason, Form()],
    text: Text,
    corrects: Annotated[Corrects, Form()],
    corrected: Annotated[str, Form(max_length=200)],
) -> AdjustmentView | Response:
    """The first person. ``number`` is the proposer's own; the same again changes nothing."""
    async with here.database.transaction() as session:
        row = await service.propose(
            session,
            number=number,
            book=book,
            giver=giver,
            receiver=receiver,
            amount_minor=amount_minor,
            reason=reason,
            text=text,
            corrects=corrects,
            corrected=corrected.strip(),
            actor=staff.name,
            now=moment,
        )
        await here.accounts.record(
            session, now=moment, actor=staff.name, act="adjustment proposed", subject=row.id, amount_minor=amount_minor
        )
    return _answer(request, row)


@router.post("/adjustments/{adjustment}/reversal", status_code=201, response_model=AdjustmentView)
async def reverse(
    adjustment: str, request: Request, staff: Clerk, here: ServiceDep, moment: Now, number: Number, text: Text
) -> AdjustmentView | Response:
    """A new adjustment that takes a posted one back; a second person approves it like any other."""
    async with here.database.transaction() as session:
        row = await service.propose_reversal(
            session, adjustment, number=number, text=text, actor=staff.name, now=moment
        )
        await here.accounts.record(
            session, now=moment, actor=staff.name, act="adjustment reversal proposed", subject=row.id, of=adjustment
        )
    return _answer(request, row)


@router.post("/adjustments/{adjustment}/approval", response_model=AdjustmentView)
async def approve(
    adjustment: str, request: Request, staff: Clerk, here: ServiceDep, moment: Now
) -> AdjustmentView | Response:
    """The second person; the entry is posted."""
    async with here.database.transaction() as session:
        row = await service.approve(session, adjustment, actor=staff.name, now=moment)
        await here.accounts.record(session, now=moment, actor=staff.name, act="adjustment approved", subject=row.id)
    return _answer(request, row)


@router.post("/adjustments/{adjustment}/refusal", response_model=AdjustmentView)
async def refuse(
    adjustment: str, request: Request, staff: Clerk, here: ServiceDep, moment: Now, note: Text
) -> AdjustmentView | Response:
    """The second person does not agree."""
    async with here.database.transaction() as session:
        row = await service.refuse(session, adjustment, note, actor=staff.name, now=moment)
        await here.accounts.record(session, now=moment, actor=staff.name, act="adjustment refused", subject=row.id)
    return _answer(request, row)


@router.post("/adjustments/{adjustment}/withdrawal", response_model=AdjustmentView)
async def withdraw(
    adjustment: str, request: Request, staff: Clerk, here: ServiceDep, moment: Now, note: Text
) -> AdjustmentView | Response:
    async with here.database.transaction() as session:
        row = await service.withdraw(session, adjustment, note, actor=staff.name, now=moment)
        await here.accounts.record(session, now=moment, actor=staff.name, act="adjustment withdrawn", subject=row.id)
    return _answer(request, row)


@router.get("/adjustments", include_in_schema=False, response_class=HTMLResponse)
async def adjustment_list(request: Request, _: StaffDep, here: ServiceDep) -> Response:
    async with here.database.reading() as session:
        context = {"proposed": await queries.proposed(session), "ended": await queries.ended(session)}
        of = await city(session)
    offered = [reason for reason in Reason if reason is not Reason.REVERSAL]
    corrigible = [kind for kind in Corrects if kind is not Corrects.ADJUSTMENT]
    names = {p.id: f"{p.zh} {p.en}" for p in of.participants}
    books = sorted(of.keepers)
    return _page(
        here, request, "adjustments.html", **context, names=names, books=books, offered=offered, corrigible=corrigible
    )


@router.get("/adjustments/{adjustment}", include_in_schema=False, response_class=HTMLResponse)
async def adjustment_page(adjustment: str, request: Request, staff: StaffDep, here: ServiceDep) -> Response:
    async with here.database.reading() as session:
        row = await service.existing(session, adjustment)
        names = {p.id: f"{p.zh} {p.en}" for p in (await city(session)).participants}
        reversal = await queries.taken_back_by(session, adjustment)
    return _page(here, request, "adjustment.html", adjustment=row, names=names, reversal=reversal, staff=staff)


def _page(here: Service, request: Request, template: str, **context: Any) -> Response:
    return here.page(request, template, reasons=REASONS, states=STATES, kinds=CORRECTED, **context)


def _answer(request: Request, row: AdjustmentRow) -> AdjustmentView | Response:
    """Somebody who pressed a button on the page goes back to the page."""
    if "text/html" in request.headers.get("accept", ""):
        return RedirectResponse(f"/adjustments/{quote(row.id)}", 303)
    return AdjustmentView.model_validate(row)
