"""A card's history over HTTP: forms, so that a page's button and a program send the same, and no card number stands in an
address. The page is beside it."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable
from datetime import date, datetime, timedelta
from typing import Annotated, Any, TypeAlias

from fastapi import APIRouter, Depends, Form, Request, Response
from fastapi.responses import HTMLResponse
from pydantic import BaseModel

from backoffice.problems import Refused
from backoffice.staff import Staff
from backoffice.web import Now, Service, ServiceDep, StaffDep, require_role
from clearing.demonstration import SETTLEMENT
from clearing.files import FilesDep
from clearing.history import service
from clearing.history.rules import ClearedRecord
from clearing.history.service import Question, Told
from clearing.participants.service import city
from clearing.verification.reasons import RULES
from rulebook.calendar import BUSINESS_ZONE
from rulebook.money import Amount
from rulebook.record import Event

router = APIRouter(tags=["history"])
Clerk = Annotated[Staff, Depends(require_role(SETTLEMENT))]
Card: TypeAlias = Annotated[str, Form(max_length=40)]
Day: TypeAlias = Annotated[date, Form()]

EVENTS = {
    Event.RIDE: ("乘车", "ride"),
    Event.ENTRY: ("进站", "entry"),
    Event.EXIT: ("出站", "exit"),
    Event.LOAD: ("充值", "load"),
}
CSV_HEADER = (
    "business_day",
    "time",
    "event",
    "operator",
    "line",
    "device",
    "amount_yuan",
    "balance_before_yuan",
    "moved",
    "waits",
    "reason",
    "transfer",
)
_A_YEAR = timedelta(days=364)


class LineView(BaseModel):
    """A card transaction. ``moved``: its amount left the card, or came onto it; ``waits``: its amount is on "open taps"."""

    business_day: date
    at: datetime | None
    event: str
    operator: str
    line: str
    device: str
    amount_minor: int
    balance_before_minor: int
    moved: bool
    waits: bool
    reason: str
    transfer: str


class HistoryView(BaseModel):
    """``card`` is masked."""

    card: str
    first_day: date
    last_day: date
    spent_minor: int
    loaded_minor: int
    lines: list[LineView]


@router.get("/card-history", response_class=HTMLResponse, include_in_schema=False)
async def ask(request: Request, _: StaffDep, here: ServiceDep, moment: Now) -> Response:
    """The empty form."""
    today = moment.astimezone(BUSINESS_ZONE).date()
    return _page(request, here, first_day=today - _A_YEAR, last_day=today)


@router.post("/card-history", response_model=HistoryView)
async def look(
    request: Request,
    staff: Clerk,
    here: ServiceDep,
    files: FilesDep,
    moment: Now,
    card: Card,
    first_day: Day,
    last_day: Day,
) -> HistoryView | Response:
    """What every cleared record of the card says of its money, business day by business day."""
    on_page = "text/html" in request.headers.get("accept", "")
    try:
        told, names = await _told(here, files.results, staff, moment, service.asked(card, first_day, last_day))
    except Refused as refused:
        if not on_page:
            raise
        return _page(
            request, here, refused.problem.status, first_day=first_day, last_day=last_day, refused=refused.problem
        )
    if on_page:
        return _page(request, here, first_day=first_day, last_day=last_day, told=told, names=names)
    return HistoryView(
        card=told.question.shown,
        first_day=first_day,
        last_day=last_day,
        spent_minor=told.spent_minor,
        loaded_minor=told.loaded_minor,
        lines=[_view(line) for line in told.lines],
    )


@router.post("/card-history.csv", response_class=Response)
async def look_as_csv(
    staff: Clerk, here: ServiceDep, files: FilesDep, moment: Now, card: Card, first_day: Day, last_day: Day
) -> Response:
    """The same for a spreadsheet, amounts in yuan."""
    told, _ = await _told(here, files.results, staff, moment, service.asked(card, first_day, last_day))
    headers = {"Content-Disposition": 'attachment; filename="card-history.csv"'}
    return Response(_csv(told.lines), media_type="text/csv; charset=utf-8", headers=headers)


async def _told(
    here: Service, results: Any, staff: Staff, moment: datetime, question: Question
) -> tuple[Told, dict[str, tuple[str, str]]]:
    """With the participants' names. The look is recorded first, whatever is found."""
    async with here.database.transaction() as session:
        period = {"first_day": f"{question.first_day:%F}", "last_day": f"{question.last_day:%F}"}
        await here.accounts.record(
            session, now=moment, actor=staff.name, act="looked at a card's history", subject=question.shown, **period
        )
    async with here.database.reading() as session:
        told = await service.tell(session, results, question)
        names = {one.id: (one.zh, one.en) for one in (await city(session)).participants}
    return told, names


def _page(request: Request, here: Service, status: int = 200, **context: Any) -> Response:
    empty: dict[str, Any] = {"told": None, "refused": None, "names": {}}
    return here.page(request, "card_history.html", status, **(empty | context), rules=RULES, events=EVENTS)


def _view(line: ClearedRecord) -> LineView:
    return LineView(
        business_day=line.business_day,
        at=line.at,
        event=line.event.name.lower(),
        operator=line.operator,
        line=line.line,
        device=line.device,
        amount_minor=line.amount_minor,
        balance_before_minor=line.balance_before_minor,
        moved=line.settled,
        waits=line.held,
        reason=line.reason,
        transfer=line.transfer,
    )


def _csv(lines: Iterable[ClearedRecord]) -> bytes:
    text = io.StringIO(newline="")
    writer = csv.writer(text)
    writer.writerow(CSV_HEADER)
    for line in lines:
        at = line.at.strftime("%F %T") if line.at else ""
        amounts = Amount(line.amount_minor), Amount(line.balance_before_minor)
        what = (line.operator, line.line, line.device, *amounts, line.settled, line.held, line.reason, line.transfer)
        writer.writerow((line.business_day, at, line.event.name.lower(), *what))
    return text.getvalue().encode("utf-8")
