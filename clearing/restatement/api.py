"""Restatements over HTTP: forms, so that a page's buttons and a program send the same; and the pages."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import asdict
from datetime import date, datetime
from pathlib import Path
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Form, Request, Response
from fastapi.responses import HTMLResponse, RedirectResponse
from pydantic import BaseModel
from sqlalchemy.ext.asyncio import AsyncSession

from backoffice.staff import Staff
from backoffice.web import Now, Service, ServiceDep, StaffDep, require_role
from clearing.demonstration import SETTLEMENT
from clearing.files import Files, FilesDep
from clearing.participants.rules import Role
from clearing.participants.service import city, tariff_documents
from clearing.restatement import queries, service
from clearing.restatement.life import STATES, RestatementState
from clearing.restatement.outcome import Computed
from clearing.restatement.queries import Gathered
from clearing.restatement.rules import OPERATOR
from clearing.restatement.tables import RestatementRow
from clearing.restatement.workshop import RestatementWorkshop, days_done

router = APIRouter(tags=["restatement"])
Clerk = Annotated[Staff, Depends(require_role(SETTLEMENT))]

KINDS = {
    "refund": ("应退持卡人", "owed to holders"),
    "subsidy": ("补贴差额", "concessions"),
    "loss": ("少收", "charged less"),
    "share": ("分摊差额", "parts of shared rides"),
}


class RestatementView(BaseModel):
    """``totals`` and ``examples`` are the dry run's. ``days_done`` of ``days`` are computed; ``pieces_posted`` of ``pieces``
    are in the ledger."""

    number: str
    first_day: date
    last_day: date
    lines: list[str]
    operators: list[str]
    tariff_version: int
    borne_by: str
    reason: str
    state: RestatementState
    proposed_by: str
    approved_by: str | None
    through_window: int
    rides: int
    unpriceable: int
    days: int
    days_done: int
    pieces: int
    pieces_posted: int
    totals: list[dict[str, Any]]
    examples: list[dict[str, Any]]


@router.post("/restatements", status_code=201, response_model=RestatementView)
async def propose(
    request: Request,
    staff: Clerk,
    here: ServiceDep,
    files: FilesDep,
    moment: Now,
    number: Annotated[str, Form(pattern=r"^[A-Za-z0-9-]{1,40}$")],
    first_day: Annotated[date, Form()],
    last_day: Annotated[date, Form()],
    tariff_version: Annotated[int, Form()],
    borne_by: Annotated[str, Form()],
    reason: Annotated[str, Form(max_length=2000)],
    lines: Annotated[str, Form(description="separated by spaces; empty: all")] = "",
    operators: Annotated[Sequence[str], Form(description="none: all")] = (),
) -> RestatementView | Response:
    """The first person. ``number`` is the proposer's own; the same again changes nothing."""
    async with here.database.transaction() as session:
        row = await service.propose(
            session,
            number=number,
            first_day=first_day,
            last_day=last_day,
            lines=lines.split(),
            operators=[name for name in operators if name],
            tariff_version=tariff_version,
            borne_by=borne_by,
            reason=reason,
            actor=staff.name,
            now=moment,
        )
        await here.accounts.record(session, now=moment, actor=staff.name, act="restatement proposed", subject=number)
        return _answer(request, await _view(session, row, files))


@router.post("/restatements/{number}/computation", response_model=RestatementView)
async def compute(
    number: str, request: Request, staff: Clerk, here: ServiceDep, files: FilesDep, moment: Now
) -> RestatementView | Response:
    """The dry run. What broke off is gone on with by the same again."""
    async with here.database.reading() as session:
        gathered = await queries.gather(session, await service.existing(session, number))
    result = await asyncio.to_thread(_computed, gathered, files)
    async with here.database.transaction() as session:
        row = await service.computed(session, number, gathered, result)
        await here.accounts.record(session, now=moment, actor=staff.name, act="restatement computed", subject=number)
        return _answer(request, await _view(session, row, files))


@router.post("/restatements/{number}/approval", response_model=RestatementView)
async def approve(
    number: str, request: Request, staff: Clerk, here: ServiceDep, files: FilesDep, moment: Now
) -> RestatementView | Response:
    """The second person; then its entries are posted."""
    async with here.database.transaction() as session:
        await service.approve(session, number, actor=staff.name, now=moment)
        await here.accounts.record(session, now=moment, actor=staff.name, act="restatement approved", subject=number)
    return await _posted(number, request, here, files, moment)


@router.post("/restatements/{number}/posting", response_model=RestatementView)
async def go_on_posting(
    number: str, request: Request, _: Clerk, here: ServiceDep, files: FilesDep, moment: Now
) -> RestatementView | Response:
    """Go on where the posting of an approved one broke off."""
    return await _posted(number, request, here, files, moment)


@router.post("/restatements/{number}/withdrawal", response_model=RestatementView)
async def withdraw(
    number: str, request: Request, staff: Clerk, here: ServiceDep, files: FilesDep, moment: Now
) -> RestatementView | Response:
    async with here.database.transaction() as session:
        row = await service.withdraw(session, number)
        await here.accounts.record(session, now=moment, actor=staff.name, act="restatement withdrawn", subject=number)
        return _answer(request, await _view(session, row, files))


@router.get("/restatements", include_in_schema=False, response_class=HTMLResponse)
async def restatement_list(request: Request, _: StaffDep, here: ServiceDep) -> Response:
    async with here.database.reading() as session:
        rows = await queries.restatements(session)
        of, versions = await city(session), sorted(await tariff_documents(session))
    operators = {p.id: f"{p.zh} {p.en}" for p in of.participants if p.role is Role.OPERATOR}
    names = {p.id: f"{p.zh} {p.en}" for p in of.participants}
    bearers = {OPERATOR: "运营单位自身 the operator itself"} | {id_: names[id_] for id_ in queries.bearers(of)}
    return here.page(
        request,
        "restatements.html",
        rows=rows,
        states=STATES,
        versions=versions,
        operators=operators,
        bearers=bearers,
    )


@router.get("/restatements/{number}", include_in_schema=False, response_class=HTMLResponse)
async def restatement_page(
    number: str, request: Request, staff: StaffDep, here: ServiceDep, files: FilesDep
) -> Response:
    async with here.database.reading() as session:
        view = await _view(session, await service.existing(session, number), files)
        names = {p.id: f"{p.zh} {p.en}" for p in (await city(session)).participants}
    names[OPERATOR] = "运营单位 operator"
    return here.page(request, "restatement.html", r=view, names=names, states=STATES, kinds=KINDS, staff=staff)


def _computed(gathered: Gathered, files: Files) -> Computed:
    folder = service.folder_of(files, gathered.digest)
    return Computed.of(RestatementWorkshop(folder).restate(queries.inputs_of(gathered, files)), folder)


async def _posted(
    number: str, request: Request, here: Service, files: Files, moment: datetime
) -> RestatementView | Response:
    """Each piece in a transaction of its own: what breaks off stays posted as far as it came."""
    more = True
    while more:
        async with here.database.transaction() as session:
            more = await service.post_piece(session, number, await _folder(session, number, files), now=moment)
    async with here.database.reading() as session:
        return _answer(request, await _view(session, await service.existing(session, number), files))


async def _folder(session: AsyncSession, number: str, files: Files) -> Path:
    row = await service.existing(session, number)
    return service.folder_of(files, row.inputs or b"")


async def _view(session: AsyncSession, row: RestatementRow, files: Files) -> RestatementView:
    gathered = await queries.gather(session, row)
    digest = row.inputs or gathered.digest
    result = Computed.from_json(row.computed) if row.computed is not None else None
    return RestatementView(
        number=row.number,
        first_day=row.first_day,
        last_day=row.last_day,
        lines=row.lines,
        operators=row.operators,
        tariff_version=row.tariff_version,
        borne_by=row.borne_by,
        reason=row.reason,
        state=RestatementState(row.state),
        proposed_by=row.proposed_by,
        approved_by=row.approved_by,
        through_window=row.through_window,
        rides=result.rides if result else 0,
        unpriceable=result.unpriceable if result else 0,
        days=len({name.split("/")[1] for _, name, _ in gathered.cleared}),
        days_done=days_done(service.folder_of(files, digest)),
        pieces=result.pieces if result else 0,
        pieces_posted=row.pieces_posted,
        totals=[asdict(total) for total in result.totals] if result else [],
        examples=[asdict(example) for example in result.examples] if result else [],
    )


def _answer(request: Request, view: RestatementView) -> RestatementView | Response:
    """Somebody who pressed a button on the page goes back to the page."""
    if "text/html" in request.headers.get("accept", ""):
        return RedirectResponse(f"/restatements/{view.number}", 303)
    return view
