"""Settlement through the bank over HTTP: forms, so that a page's buttons and a program send the same."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

from fastapi import APIRouter, Depends, Form, Request, Response, UploadFile
from fastapi.responses import RedirectResponse
from sqlalchemy.ext.asyncio import AsyncSession

from backoffice.staff import Staff
from backoffice.web import Now, Service, ServiceDep, StaffDep, require_role
from clearing.demonstration import SETTLEMENT
from clearing.participants.service import city
from clearing.reconciliation import applying, by_hand, failing, intake, paying, settling, standing
from clearing.reconciliation.matching import Matching
from clearing.reconciliation.tables import PaymentFileRow
from clearing.reconciliation.views import (
    AccountView,
    FileView,
    MatchingView,
    ReportView,
    SettlementView,
    at_banks,
    file_view,
    matching_view,
    report_view,
    settlement_view,
)

router = APIRouter(tags=["settlement"])
Clerk = Annotated[Staff, Depends(require_role(SETTLEMENT))]


@router.post("/settlement/{number}/{book}/start", response_model=SettlementView)
async def start(
    number: int, book: str, request: Request, staff: Clerk, here: ServiceDep, moment: Now
) -> SettlementView | Response:
    """Make the pay-in calls of a closed window's book."""
    async with here.database.transaction() as session:
        row = await settling.start(session, number, book, actor=staff.name, now=moment)
        await here.accounts.record(
            session, now=moment, actor=staff.name, act="settlement started", subject=f"{number}/{book}"
        )
        view = await settlement_view(session, row)
    return _to_page(request, f"/settlement/{number}/{book}") or view


@router.post("/settlement/{number}/{book}/abort", response_model=SettlementView)
async def propose_abort(
    number: int, book: str, request: Request, staff: Clerk, here: ServiceDep, moment: Now
) -> SettlementView | Response:
    """The first person: end it unpaid; the rest is carried into the next settlement of the book."""
    async with here.database.transaction() as session:
        row = await settling.propose_abort(session, number, book, actor=staff.name)
        await here.accounts.record(
            session, now=moment, actor=staff.name, act="settlement abort proposed", subject=f"{number}/{book}"
        )
        view = await settlement_view(session, row)
    return _to_page(request, f"/settlement/{number}/{book}") or view


@router.post("/settlement/{number}/{book}/abort-withdrawal", response_model=SettlementView)
async def withdraw_abort(
    number: int, book: str, request: Request, staff: Clerk, here: ServiceDep, moment: Now
) -> SettlementView | Response:
    async with here.database.transaction() as session:
        row = await settling.withdraw_abort(session, number, book, now=moment)
        await here.accounts.record(
            session, now=moment, actor=staff.name, act="settlement abort withdrawn", subject=f"{number}/{book}"
        )
        view = await settlement_view(session, row)
    return _to_page(request, f"/settlement/{number}/{book}") or view


@router.post("/settlement/{number}/{book}/abort-approval", response_model=SettlementView)
async def abort(
    number: int, book: str, request: Request, staff: Clerk, here: ServiceDep, moment: Now
) -> SettlementView | Response:
    """The second person."""
    async with here.database.transaction() as session:
        row = await settling.abort(session, number, book, actor=staff.name, now=moment)
        await here.accounts.record(
            session, now=moment, actor=staff.name, act="settlement aborted", subject=f"{number}/{book}"
        )
        view = await settlement_view(session, row)
    return _to_page(request, f"/settlement/{number}/{book}") or view


@router.get("/settlement/{number}/{book}/state")
async def state(number: int, book: str, _: StaffDep, here: ServiceDep) -> SettlementView:
    async with here.database.reading() as session:
        return await settlement_view(session, await settling.existing(session, number, book))


@router.post("/settlement/{number}/{book}/payments", status_code=201, response_model=FileView)
async def draft(
    number: int, book: str, request: Request, staff: Clerk, here: ServiceDep, moment: Now
) -> FileView | Response:
    """The first person: a payment file for what is covered."""
    async with here.database.transaction() as session:
        row = await paying.draft(session, number, book, actor=staff.name, now=moment)
        await here.accounts.record(session, now=moment, actor=staff.name, act="payment file drafted", subject=row.id)
        view = file_view(row)
    return _to_page(request, f"/settlement/{number}/{book}") or view


@router.post("/payments/{file}/release", response_model=FileView)
async def release(file: str, request: Request, staff: Clerk, here: ServiceDep, moment: Now) -> FileView | Response:
    """The second person: the file may go to the bank."""
    async with here.database.transaction() as session:
        row = await paying.release(session, file, actor=staff.name, now=moment)
        await here.accounts.record(session, now=moment, actor=staff.name, act="payment file released", subject=file)
        return _of_file(request, row)


@router.post("/payments/{file}/withdrawal", response_model=FileView)
async def withdrawal(file: str, request: Request, staff: Clerk, here: ServiceDep, moment: Now) -> FileView | Response:
    async with here.database.transaction() as session:
        row = await paying.withdraw(session, file)
        await here.accounts.record(session, now=moment, actor=staff.name, act="payment file withdrawn", subject=file)
        return _of_file(request, row)


@router.post("/payments/{payment}/failure", response_model=FileView)
async def failure(
    payment: str,
    request: Request,
    staff: Clerk,
    here: ServiceDep,
    moment: Now,
    reason: Annotated[str, Form(max_length=2000)],
) -> FileView | Response:
    """The first person: the bank will not execute it."""
    async with here.database.transaction() as session:
        row = await failing.propose(session, payment, reason, actor=staff.name, now=moment)
        await here.accounts.record(
            session, now=moment, actor=staff.name, act="payment failure proposed", subject=payment
        )
        return _of_file(request, row)


@router.post("/payments/{payment}/failure-approval", response_model=FileView)
async def failure_approval(
    payment: str, request: Request, staff: Clerk, here: ServiceDep, moment: Now
) -> FileView | Response:
    """The second person: the money may be ordered anew."""
    async with here.database.transaction() as session:
        row = await failing.approve(session, payment, actor=staff.name, now=moment)
        await here.accounts.record(
            session, now=moment, actor=staff.name, act="payment failure approved", subject=payment
        )
        return _of_file(request, row)


@router.get("/payments/{file}.xml", response_class=Response)
async def content(file: str, staff: Clerk, here: ServiceDep, moment: Now) -> Response:
    """The pain.001 for the bank, once it is released. Who fetched it is recorded."""
    async with here.database.transaction() as session:
        row = await paying.released(session, file)
        await here.accounts.record(session, now=moment, actor=staff.name, act="payment file fetched", subject=file)
        body = row.content
    disposition = f'attachment; filename="{file}.xml"'
    return Response(body, media_type="application/xml", headers={"Content-Disposition": disposition})


@router.post("/bank/messages", status_code=201)
async def message(request: Request, staff: Clerk, here: ServiceDep, moment: Now) -> list[ReportView]:
    """A camt.053 or camt.054 as the request's body. A statement with a wrong balance is answered in state ``wrong``, and the
    book has stopped; a page of several in state ``waiting`` until all are there."""
    body = await request.body()
    async with here.database.transaction() as session:
        return await _taken(session, here, staff, moment, body)


@router.post("/bank/uploads")
async def upload(message_file: UploadFile, staff: Clerk, here: ServiceDep, moment: Now) -> Response:
    """The same from the page."""
    body = await message_file.read()
    async with here.database.transaction() as session:
        await _taken(session, here, staff, moment, body)
    return RedirectResponse("/bank", 303)


@router.get("/bank/accounts")
async def accounts(_: StaffDep, here: ServiceDep) -> list[AccountView]:
    """What the bank says and what the books say, book by book."""
    async with here.database.reading() as session:
        found = await at_banks(session, await city(session))
    return [AccountView.model_validate(account, from_attributes=True) for account in found]


@router.get("/bank/{book}/matching/dry-run")
async def dry_run(book: str, _: StaffDep, here: ServiceDep) -> MatchingView:
    """What would be matched now."""
    async with here.database.reading() as session:
        settling.at_bank(await city(session), book)
        return matching_view(book, await applying.dry_run(session, book))


@router.post("/bank/{book}/matching", response_model=MatchingView)
async def apply(book: str, request: Request, staff: Clerk, here: ServiceDep, moment: Now) -> MatchingView | Response:
    """Match and post; whatever is left becomes a case."""
    async with here.database.transaction() as session:
        matching = await applying.apply(session, book, actor=staff.name, now=moment)
        await here.accounts.record(session, now=moment, actor=staff.name, act="bank entries matched", subject=book)
    return _to_page(request, f"/bank/{book}/matching") or matching_view(book, matching)


@router.post("/bank/{book}/by-hand", status_code=204)
async def propose_by_hand(
    book: str,
    request: Request,
    staff: Clerk,
    here: ServiceDep,
    moment: Now,
    reference: Annotated[str, Form()],
    target: Annotated[list[str], Form()],
) -> Response:
    """The first person says what an unmatched entry is. ``target``: ``kind:id`` as the page offers them, once or more."""
    async with here.database.transaction() as session:
        await by_hand.propose(session, book, reference, target, actor=staff.name, now=moment)
        await here.accounts.record(
            session, now=moment, actor=staff.name, act="bank entry match proposed", subject=f"{book}/{reference}"
        )
    return _to_page(request, f"/bank/{book}/matching") or Response(status_code=204)


@router.post("/bank/{book}/by-hand-withdrawal", status_code=204)
async def withdraw_by_hand(
    book: str, request: Request, staff: Clerk, here: ServiceDep, moment: Now, reference: Annotated[str, Form()]
) -> Response:
    async with here.database.transaction() as session:
        await by_hand.withdraw(session, book, reference)
        await here.accounts.record(
            session, now=moment, actor=staff.name, act="bank entry match withdrawn", subject=f"{book}/{reference}"
        )
    return _to_page(request, f"/bank/{book}/matching") or Response(status_code=204)


@router.post("/bank/{book}/by-hand-approval", response_model=MatchingView)
async def approve_by_hand(
    book: str, request: Request, staff: Clerk, here: ServiceDep, moment: Now, reference: Annotated[str, Form()]
) -> MatchingView | Response:
    """The second person."""
    async with here.database.transaction() as session:
        found = await by_hand.approve(session, book, reference, actor=staff.name, now=moment)
        await here.accounts.record(
            session, now=moment, actor=staff.name, act="bank entry match approved", subject=f"{book}/{reference}"
        )
    return _to_page(request, f"/bank/{book}/matching") or matching_view(book, Matching((found,), ()))


@router.post("/bank/{book}/lift", status_code=204)
async def propose_lift(book: str, request: Request, staff: Clerk, here: ServiceDep, moment: Now) -> Response:
    """The first person: the right statement is there."""
    async with here.database.transaction() as session:
        settling.at_bank(await city(session), book)
        await standing.propose_lift(session, book, actor=staff.name)
        await here.accounts.record(session, now=moment, actor=staff.name, act="bank stop lift proposed", subject=book)
    return _to_page(request, "/bank") or Response(status_code=204)


@router.post("/bank/{book}/lift-approval", status_code=204)
async def lift(book: str, request: Request, staff: Clerk, here: ServiceDep, moment: Now) -> Response:
    """The second person."""
    async with here.database.transaction() as session:
        settling.at_bank(await city(session), book)
        await standing.lift(session, book, actor=staff.name)
        await here.accounts.record(session, now=moment, actor=staff.name, act="bank stop lifted", subject=book)
    return _to_page(request, "/bank") or Response(status_code=204)


async def _taken(session: AsyncSession, here: Service, staff: Staff, moment: datetime, body: bytes) -> list[ReportView]:
    views = [report_view(row) for row in await intake.take(session, body, actor=staff.name, now=moment)]
    for view in views:
        await here.accounts.record(
            session, now=moment, actor=staff.name, act=f"bank message {view.state}", subject=f"{view.account}/{view.id}"
        )
    return views


def _of_file(request: Request, row: PaymentFileRow) -> FileView | Response:
    return _to_page(request, f"/settlement/{row.window}/{row.book}") or file_view(row)


def _to_page(request: Request, page: str) -> Response | None:
    """Somebody who pressed a button goes back to the page."""
    if "text/html" in request.headers.get("accept", ""):
        return RedirectResponse(page, 303)
    return None
