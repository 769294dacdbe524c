"""The settlement clerk's pages: what is owed and paid, the bank's accounts, matching with a dry run."""

from __future__ import annotations

from fastapi import APIRouter, Request, Response
from fastapi.responses import HTMLResponse

from backoffice.web import Now, ServiceDep, StaffDep
from clearing.cases.queries import waiting
from clearing.cases.rules import CaseKind
from clearing.participants.rules import City
from clearing.participants.service import city
from clearing.reconciliation import applying, by_hand, queries, settling, taken_back
from clearing.reconciliation.matching import TargetKind
from clearing.reconciliation.progress import FileState, progress
from clearing.reconciliation.views import KINDS, RULES, STATES, WRONGS, at_banks, listed
from clearing.settlement.api import existing

router = APIRouter(include_in_schema=False, default_response_class=HTMLResponse)
SHOWN = 100


@router.get("/settlement")
async def settlements(request: Request, _: StaffDep, here: ServiceDep) -> Response:
    async with here.database.reading() as session:
        rows = await listed(session, await city(session))
    return here.page(request, "settlements.html", rows=rows, states=STATES)


@router.get("/settlement/{number}/{book}")
async def settlement(number: int, book: str, request: Request, staff: StaffDep, here: ServiceDep) -> Response:
    async with here.database.reading() as session:
        of = await city(session)
        settling.at_bank(of, book)
        window = await existing(session, number)
        row = await queries.book_row(session, number, book)
        reached = await progress(session, row) if row is not None else None
        files = await queries.files(session, number, book)
        payments = await queries.payments(session, [file.id for file in files if file.state == FileState.RELEASED])
        names_of_payments = [payment.id for payment in payments]
        shown = await queries.allocated(session, TargetKind.PAYMENT, names_of_payments)
        failures = await queries.failures(session, names_of_payments)
    return here.page(
        request,
        "settlement.html",
        window=window,
        book=book,
        row=row,
        reached=reached,
        files=files,
        payments=payments,
        shown=shown,
        failures=failures,
        staff=staff,
        states=STATES,
        names=_names(of),
        keeper=of.keepers[book],
    )


@router.get("/bank")
async def bank(request: Request, staff: StaffDep, here: ServiceDep) -> Response:
    async with here.database.reading() as session:
        of = await city(session)
        accounts = await at_banks(session, of)
        reports = [row for book in sorted(of.bank_accounts) for row in (await queries.reports(session, book))[:SHOWN]]
        waiting_pages = await queries.waiting_pages(session)
    return here.page(
        request,
        "bank.html",
        accounts=accounts,
        reports=reports,
        waiting_pages=waiting_pages,
        states=STATES,
        wrongs=WRONGS,
        staff=staff,
    )


@router.get("/bank/{book}/matching")
async def matching(book: str, request: Request, staff: StaffDep, here: ServiceDep, moment: Now) -> Response:
    async with here.database.reading() as session:
        of = await city(session)
        settling.at_bank(of, book)
        planned = await applying.dry_run(session, book)
        done = (await queries.allocations(session, book))[:SHOWN]
        targets = [
            *await applying.open_targets(session, of, book),
            *await taken_back.cancelling(session, of, book),
        ]
        proposals = await by_hand.proposals(session, of.bank_accounts[book].account.number)
        opened = [case for case in await waiting(session, CaseKind.BREAK) if case.book == book]
    return here.page(
        request,
        "matching.html",
        book=book,
        matching=planned,
        done=done,
        opened=opened,
        targets=targets,
        proposals=proposals,
        staff=staff,
        rules=RULES,
        kinds=KINDS,
        names=_names(of),
        today=moment.date(),
    )


def _names(of: City) -> dict[str, str]:
    return {p.id: f"{p.zh} {p.en}" for p in of.participants}
