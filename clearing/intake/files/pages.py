"""The page of operators' files: what was handed in, and a form to hand one in."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import Annotated, Any, BinaryIO

from fastapi import APIRouter, Form, Request, Response, UploadFile
from fastapi.responses import HTMLResponse, RedirectResponse
from sqlalchemy import select

from backoffice.problems import Refused
from backoffice.staff import Staff
from backoffice.web import AnyStaffDep, Now, Service, ServiceDep
from clearing.files import FilesDep, Scratch
from clearing.intake.files.service import FileReceipt, layouts, take_file
from clearing.intake.files.tables import OperatorsFileRow
from clearing.intake.service import Conflict
from clearing.participants.service import city
from clearing.settlement.queries import open_window
from clearing.uploads.identity import OperatorOwner, operator_of
from clearing.uploads.rules import LARGEST, Target
from clearing.uploads.service import Owner

router = APIRouter(include_in_schema=False, default_response_class=HTMLResponse)
SHOWN = 200


@router.get("/files")
async def page(request: Request, staff: AnyStaffDep, here: ServiceDep) -> Response:
    return await _page(request, here, _operator(staff))


@router.post("/files")
async def hand_in(
    request: Request,
    owner: OperatorOwner,
    here: ServiceDep,
    files: FilesDep,
    moment: Now,
    layout: Annotated[str, Form()],
    file: UploadFile,
) -> Response:
    """For a browser, in one piece; programs use ``/uploads/files``."""
    if layout not in layouts():
        raise Refused(422, "There is no such layout", f"layout is {layout!r}", reason="layout_unknown")
    if (file.size or 0) > LARGEST[Target.FILE]:
        raise Refused(413, "The file is too large", f"at most {LARGEST[Target.FILE]} bytes are taken")
    with files.scratch(Scratch.FORM) as scratch:
        copy = scratch.folder / "file"  # the form's own is a spool without a name
        await asyncio.to_thread(_copy, file.file, copy)
        try:
            taken = await _taken(here, files, copy, layout, owner, moment)
        except Refused as error:
            return await _page(request, here, owner, status=error.problem.status, faults=error.problem.errors)
    if isinstance(taken, Conflict):
        faults = [{"row": 0, "field": "record", "message": fault} for fault in taken.faults]
        return await _page(request, here, owner, status=409, faults=faults)
    return RedirectResponse("/files", 303)


def _copy(source: BinaryIO, path: Path) -> None:
    with path.open("xb") as copy:
        shutil.copyfileobj(source, copy)


async def _taken(
    here: Service, files: FilesDep, path: Path, layout: str, owner: Owner, moment: datetime
) -> FileReceipt | Conflict:
    async with here.database.transaction() as session:
        window = await open_window(session)
        taken = await take_file(
            session, files.raw, path, layout=layout, operator=owner.id, by=owner.by, window=window, now=moment
        )
        subject = taken.content_hash.hex() if isinstance(taken, FileReceipt) else "in conflict"
        await here.accounts.record(session, now=moment, actor=owner.by, act="file handed in", subject=subject)
    return taken


async def _page(
    request: Request, here: Service, owner: Owner | None, *, status: int = 200, faults: Sequence[dict[str, Any]] = ()
) -> Response:
    """An operator's staff sees its own operator's files, other staff all of them."""
    found = select(OperatorsFileRow).order_by(OperatorsFileRow.received_at.desc()).limit(SHOWN)
    if owner is not None:
        found = found.where(OperatorsFileRow.operator == owner.id)
    async with here.database.reading() as session:
        rows = (await session.scalars(found)).all()
        names = {p.id: f"{p.zh} {p.en}" for p in (await city(session)).participants}
    return here.page(
        request,
        "files.html",
        status,
        files=rows,
        names=names,
        owner=owner,
        layouts=layouts(),
        faults=faults[:SHOWN],
        more=max(len(faults) - SHOWN, 0),
    )


def _operator(staff: Staff) -> Owner | None:
    try:
        return operator_of(staff)
    except Refused:
        return None
