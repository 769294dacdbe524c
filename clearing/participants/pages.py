"""What participants have agreed on, and what a window's business cost by it, as people look at them."""

from __future__ import annotations

from fastapi import APIRouter, Request, Response
from fastapi.responses import HTMLResponse

from backoffice.web import ServiceDep, StaffDep
from clearing.participants import publishing
from clearing.participants.documents import KINDS, DocumentKind
from clearing.participants.rules import City
from clearing.participants.service import city
from clearing.participants.trace import STEPS
from clearing.participants.views import BASES, PERIODS, STATES, charge_lines
from clearing.settlement.api import existing
from clearing.settlement.encoding import decode

router = APIRouter(include_in_schema=False, default_response_class=HTMLResponse)


@router.get("/documents")
async def documents(request: Request, _: StaffDep, here: ServiceDep) -> Response:
    async with here.database.reading() as session:
        versions = {kind: await publishing.versions(session, kind) for kind in DocumentKind}
    return here.page(request, "documents.html", kinds=KINDS, versions=versions, states=STATES)


@router.get("/documents/{kind}/{version}")
async def document(kind: DocumentKind, version: int, request: Request, staff: StaffDep, here: ServiceDep) -> Response:
    async with here.database.reading() as session:
        row = await publishing.existing(session, kind, version)
        names = _names(await city(session))
    return here.page(
        request,
        f"document_{kind}.html",
        row=row,
        rule=KINDS[kind],
        content=KINDS[kind].model.model_validate(row.document),
        names=names,
        staff=staff,
        states=STATES,
        bases=BASES,
        periods=PERIODS,
    )


@router.get("/windows/{number}/charges")
async def charges(number: int, request: Request, _: StaffDep, here: ServiceDep) -> Response:
    """Fees, holds and parts of shared rides of a window whose result is there, each with how it came to its amount."""
    async with here.database.reading() as session:
        window = await existing(session, number)
        names = _names(await city(session))
    result = decode(window.result) if window.result is not None else None
    lines = charge_lines(numbered.transfer for numbered in result.transfers) if result is not None else None
    return here.page(request, "charges.html", window=window, lines=lines, names=names, steps=STEPS)


def _names(of: City) -> dict[str, str]:
    return {p.id: f"{p.zh} {p.en}" for p in of.participants}
