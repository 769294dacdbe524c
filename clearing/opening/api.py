"""Openings over HTTP: forms with the two files, so that a page's buttons and a program send the same; and the pages."""

from __future__ import annotations

from datetime import date, datetime
from typing import Annotated, Any, TypeAlias
from urllib.parse import quote

from fastapi import APIRouter, Depends, Form, Request, Response, UploadFile
from fastapi.responses import HTMLResponse, RedirectResponse
from pydantic import AfterValidator, BaseModel, ConfigDict

from backoffice.problems import Refused
from backoffice.staff import Staff
from backoffice.web import Now, ServiceDep, StaffDep, require_role
from clearing.demonstration import SETTLEMENT
from clearing.files import FilesDep
from clearing.opening import balances, cards, service
from clearing.opening.balances import Declared, sums_of
from clearing.opening.rules import STATES, Control, OpeningState
from clearing.opening.tables import OpeningRow
from rulebook.calendar import BUSINESS_ZONE

router = APIRouter(tags=["opening"])
Clerk = Annotated[Staff, Depends(require_role(SETTLEMENT))]
Number: TypeAlias = Annotated[str, Form(pattern=r"^[A-Za-z0-9-]{1,40}$")]
Total: TypeAlias = Annotated[int, Form(ge=0, le=2**62)]
Text: TypeAlias = Annotated[str, Form(max_length=2000)]
# The database gives moments in its own zone; a repeat must answer what the first answer was.
CityTime: TypeAlias = Annotated[datetime, AfterValidator(lambda moment: moment.astimezone(BUSINESS_ZONE))]

_FAULTS_SHOWN = 1_000
"""On the page; a program gets all of them."""


class OpeningView(BaseModel):
    """An opening as it goes over HTTP. ``products``: name, cards, balance_minor, deposit_minor; ``sheet``: book, code,
    minor."""

    model_config = ConfigDict(from_attributes=True)

    number: str
    cards: int
    balance_minor: int
    deposit_minor: int
    products: list[dict[str, Any]]
    sheet: list[dict[str, Any]]
    state: OpeningState
    proposed_by: str
    proposed_at: CityTime
    decided_by: str | None
    decided_at: CityTime | None
    note: str
    business_day: date | None


@router.post("/openings", status_code=201, response_model=OpeningView)
async def propose(
    request: Request,
    staff: Clerk,
    here: ServiceDep,
    files: FilesDep,
    moment: Now,
    number: Number,
    card_file: UploadFile,
    account_file: UploadFile,
    card_count: Total,
    balance_minor: Total,
    deposit_minor: Total,
) -> OpeningView | Response:
    """The first person: ``card_file`` and ``account_file`` (CSV, columns in ``clearing.opening``) with the control totals of
    the city that hands over. Taken whole, or refused whole with every bad row."""
    contents = await card_file.read(), await account_file.read()
    try:
        async with here.database.transaction() as session:
            row = await service.propose(
                session,
                files,
                number=number,
                card_file=contents[0],
                account_file=contents[1],
                control=Control(card_count, balance_minor, deposit_minor),
                actor=staff.name,
                now=moment,
            )
            await here.accounts.record(
                session, now=moment, actor=staff.name, act="opening proposed", subject=number, cards=str(row.cards)
            )
    except Refused as refused:
        if not _is_page(request):
            raise
        problem = refused.problem
        shown = problem.errors[:_FAULTS_SHOWN]
        return here.page(request, "opening_refused.html", problem.status, problem=problem, shown=shown)
    return _answer(request, row)


@router.post("/openings/{number}/approval", response_model=OpeningView)
async def approve(
    number: str, request: Request, staff: Clerk, here: ServiceDep, files: FilesDep, moment: Now
) -> OpeningView | Response:
    """The second person: the balances are posted, the cards' counters are in force."""
    async with here.database.transaction() as session:
        row = await service.approve(session, files, number, actor=staff.name, now=moment)
        await here.accounts.record(session, now=moment, actor=staff.name, act="opening approved", subject=number)
    return _answer(request, row)


@router.post("/openings/{number}/refusal", response_model=OpeningView)
async def refuse(
    number: str, request: Request, staff: Clerk, here: ServiceDep, moment: Now, note: Text
) -> OpeningView | Response:
    """The second person does not agree."""
    async with here.database.transaction() as session:
        row = await service.refuse(session, number, note, actor=staff.name, now=moment)
        await here.accounts.record(session, now=moment, actor=staff.name, act="opening refused", subject=number)
    return _answer(request, row)


@router.post("/openings/{number}/withdrawal", response_model=OpeningView)
async def withdraw(
    number: str, request: Request, staff: Clerk, here: ServiceDep, moment: Now, note: Text
) -> OpeningView | Response:
    async with here.database.transaction() as session:
        row = await service.withdraw(session, number, note, actor=staff.name, now=moment)
        await here.accounts.record(session, now=moment, actor=staff.name, act="opening withdrawn", subject=number)
    return _answer(request, row)


@router.get("/openings", include_in_schema=False, response_class=HTMLResponse)
async def opening_list(request: Request, _: StaffDep, here: ServiceDep) -> Response:
    async with here.database.reading() as session:
        rows = await service.openings(session)
    columns = {"card_file": ",".join(cards.FORMS), "account_file": ",".join(balances.FORMS)}
    return here.page(request, "openings.html", openings=rows, states=STATES, columns=columns)


@router.get("/openings/{number}", include_in_schema=False, response_class=HTMLResponse)
async def opening_page(number: str, request: Request, staff: StaffDep, here: ServiceDep) -> Response:
    async with here.database.reading() as session:
        row = await service.existing(session, number)
    sheet = [Declared(**line) for line in row.sheet]
    return here.page(request, "opening.html", opening=row, sheet=sheet, sums=sums_of(sheet), states=STATES, staff=staff)


def _is_page(request: Request) -> bool:
    return "text/html" in request.headers.get("accept", "")


def _answer(request: Request, row: OpeningRow) -> OpeningView | Response:
    """Somebody who pressed a button on the page goes back to the page."""
    if _is_page(request):
        return RedirectResponse(f"/openings/{quote(row.number)}", 303)
    return OpeningView.model_validate(row)
