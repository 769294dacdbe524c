"""Contracts and agreements over HTTP: documents in JSON, approved by a second person."""

from __future__ import annotations

import json
from datetime import datetime
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Request, Response, UploadFile
from fastapi.responses import JSONResponse, RedirectResponse
from pydantic import BaseModel, ConfigDict
from sqlalchemy.ext.asyncio import AsyncSession

from backoffice.problems import Refused
from backoffice.staff import Staff
from backoffice.web import Now, Service, ServiceDep, StaffDep, require_role
from clearing.demonstration import SETTLEMENT
from clearing.participants import publishing
from clearing.participants.documents import DocumentKind, DocumentState
from clearing.participants.tables import DocumentRow

router = APIRouter(tags=["documents"])
Clerk = Annotated[Staff, Depends(require_role(SETTLEMENT))]


class DocumentView(BaseModel):
    """A version and where it stands; its content is at ``/documents/{kind}/{version}.json``."""

    model_config = ConfigDict(from_attributes=True)

    kind: DocumentKind
    version: int
    state: DocumentState
    proposed_by: str | None
    proposed_at: datetime
    approved_by: str | None
    approved_at: datetime | None


@router.post("/documents/{kind}", status_code=201, response_model=DocumentView)
async def propose(
    kind: DocumentKind, document: dict[str, Any], staff: Clerk, here: ServiceDep, moment: Now
) -> DocumentView:
    """The first person. The same again changes nothing; a faulty one is refused whole with every fault."""
    return await _proposed(here, kind, document, actor=staff.name, now=moment)


@router.post("/documents/{kind}/uploads", include_in_schema=False)
async def upload(
    kind: DocumentKind, document_file: UploadFile, staff: Clerk, here: ServiceDep, moment: Now
) -> Response:
    """The same from the page."""
    try:
        document = json.loads(await document_file.read())
    except ValueError as error:
        raise Refused(422, "The file is no JSON", str(error), reason="document_malformed") from error
    if not isinstance(document, dict):
        raise Refused(422, "The file is no document", "it must be a JSON object", reason="document_malformed")
    view = await _proposed(here, kind, document, actor=staff.name, now=moment)
    return RedirectResponse(f"/documents/{kind}/{view.version}", 303)


@router.post("/documents/{kind}/{version}/approval", response_model=DocumentView)
async def approve(
    kind: DocumentKind, version: int, request: Request, staff: Clerk, here: ServiceDep, moment: Now
) -> DocumentView | Response:
    """The second person: it is in force."""
    async with here.database.transaction() as session:
        row = await publishing.approve(session, kind, version, actor=staff.name, now=moment)
        await _record(here, session, row, "document approved", actor=staff.name, now=moment)
        return _answer(request, row)


@router.post("/documents/{kind}/{version}/withdrawal", response_model=DocumentView)
async def withdraw(
    kind: DocumentKind, version: int, request: Request, staff: Clerk, here: ServiceDep, moment: Now
) -> DocumentView | Response:
    """Either person, before the approval."""
    async with here.database.transaction() as session:
        row = await publishing.withdraw(session, kind, version)
        await _record(here, session, row, "document withdrawn", actor=staff.name, now=moment)
        return _answer(request, row)


@router.get("/documents/{kind}/{version}.json")
async def content(kind: DocumentKind, version: int, _: StaffDep, here: ServiceDep) -> Response:
    """As it was put up."""
    async with here.database.reading() as session:
        return JSONResponse((await publishing.existing(session, kind, version)).document)


async def _proposed(
    here: Service, kind: DocumentKind, document: dict[str, Any], *, actor: str, now: datetime
) -> DocumentView:
    async with here.database.transaction() as session:
        row = await publishing.propose(session, kind, document, actor=actor, now=now)
        await _record(here, session, row, "document proposed", actor=actor, now=now)
        return DocumentView.model_validate(row)


async def _record(
    here: Service, session: AsyncSession, row: DocumentRow, act: str, *, actor: str, now: datetime
) -> None:
    await here.accounts.record(session, now=now, actor=actor, act=act, subject=f"{row.kind}/{row.version}")


def _answer(request: Request, row: DocumentRow) -> DocumentView | Response:
    """Somebody who pressed a button on the page goes back to the page."""
    if "text/html" in request.headers.get("accept", ""):
        return RedirectResponse(f"/documents/{row.kind}/{row.version}", 303)
    return DocumentView.model_validate(row)
