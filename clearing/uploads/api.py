"""Resumable uploads over HTTP (see ``clearing.uploads.rules``)."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from datetime import datetime
from types import MappingProxyType
from typing import Annotated, Any, TypeVar

from fastapi import APIRouter, Depends, Query, Request, Response

from backoffice.problems import Refused
from backoffice.web import Now, Service, ServiceDep
from clearing.files import Files, FilesDep
from clearing.intake.files.service import layouts
from clearing.uploads import rules, service
from clearing.uploads.identity import AnyOwner, DeviceOwner, OperatorOwner
from clearing.uploads.partial import PartialUploads, TooLong
from clearing.uploads.rules import LARGEST, LIFETIME, HeadersWrong, Target, UploadRefusal, limit_header
from clearing.uploads.service import Owner, refused
from clearing.uploads.tables import UploadRow
from clearing.uploads.taking import Answer, refusal, take
from rulebook.messages.problems import MEDIA_TYPE
from rulebook.messages.uploads import boolean

router = APIRouter(prefix="/uploads", tags=["uploads"])
T = TypeVar("T")
_COMPLETE: Mapping[str, str] = MappingProxyType({"Upload-Complete": "?1"})


def partial_uploads(request: Request, files: FilesDep) -> PartialUploads:
    """FastAPI dependency: one for the process, which knows what is being served."""
    state = request.app.state
    if not hasattr(state, "uploads"):
        state.uploads = PartialUploads(files.folder / "uploads")
    found: PartialUploads = state.uploads
    return found


Uploads = Annotated[PartialUploads, Depends(partial_uploads)]


@router.post("/batches", status_code=201)
async def create_batch(
    request: Request, owner: DeviceOwner, here: ServiceDep, files: FilesDep, uploads: Uploads, moment: Now
) -> Response:
    """A device begins to upload one batch."""
    return await _create(request, here, files, uploads, owner, Target.BATCH, "", moment)


@router.post("/files", status_code=201)
async def create_file(
    request: Request,
    owner: OperatorOwner,
    here: ServiceDep,
    files: FilesDep,
    uploads: Uploads,
    moment: Now,
    layout: Annotated[str, Query()],
) -> Response:
    """An operator's staff begins to upload a file of its devices' records."""
    if layout not in layouts():
        message = f"is {layout!r}; it must be one of {', '.join(layouts())}"
        errors = [{"field": "layout", "message": message}]
        raise Refused(422, "There is no such layout", message, reason="layout_unknown", errors=errors)
    return await _create(request, here, files, uploads, owner, Target.FILE, layout, moment)


@router.head("/{upload}", status_code=204)
async def offset(upload: str, owner: AnyOwner, here: ServiceDep, uploads: Uploads, moment: Now) -> Response:
    """How much has come; from there the client goes on."""
    async with here.database.reading() as session:
        row = await service.upload_of(session, upload, owner, now=moment)
    with uploads.taken_over(upload):
        return Response(status_code=204, headers=_standing(row, _offset(uploads, row), moment))


@router.get("/{upload}")
async def answer(upload: str, owner: AnyOwner, here: ServiceDep, uploads: Uploads, moment: Now) -> Response:
    """What the content was answered with, for a client that did not hear it; 409 before the end."""
    async with here.database.reading() as session:
        row = await service.upload_of(session, upload, owner, now=moment)
    if row.status is None or row.answer is None:
        detail = f"{_offset(uploads, row)} of {row.length} bytes have come"
        raise Refused(409, "The upload is not complete", detail, reason="upload_not_complete")
    return _answered(Answer(row.status, row.answer))


@router.patch("/{upload}")
async def append(
    upload: str, request: Request, owner: AnyOwner, here: ServiceDep, files: FilesDep, uploads: Uploads, moment: Now
) -> Response:
    """More of the content, from its offset on."""
    wanted = _checked(rules.append, request.headers)
    with uploads.taken_over(upload) as mine:
        async with here.database.reading() as session:
            row = await service.upload_of(session, upload, owner, now=moment)
        if row.ended_at is not None:
            detail = "nothing is appended to it any more; GET it for the answer"
            raise refused(UploadRefusal.ENDED, "The upload is complete", detail)
        if wanted.offset != (here_now := _offset(uploads, row)):
            problem = refused(
                UploadRefusal.MISMATCHING_OFFSET,
                "The upload is at another offset",
                f"Upload-Offset is {wanted.offset}; {here_now} bytes have come",
            )
            return _answered(refusal(problem), {"Upload-Offset": str(here_now), "Upload-Complete": "?0"})
        return await _append(request, here, files, uploads, row, mine, owner, wanted.complete, moment)


@router.delete("/{upload}", status_code=204)
async def give_up(upload: str, owner: AnyOwner, here: ServiceDep, uploads: Uploads, moment: Now) -> Response:
    """What has come of it is thrown away; content that was taken stays."""
    with uploads.taken_over(upload):
        async with here.database.transaction() as session:
            row = await service.upload_of(session, upload, owner, now=moment, lock=True)
            await service.give_up(session, uploads, row)
    return Response(status_code=204)


async def _create(
    request: Request,
    here: Service,
    files: Files,
    uploads: PartialUploads,
    owner: Owner,
    target: Target,
    layout: str,
    moment: datetime,
) -> Response:
    wanted = _checked(rules.creation, request.headers)
    if wanted.length > LARGEST[target]:
        return _too_large(f"Upload-Length is {wanted.length}; at most {LARGEST[target]} bytes are taken", target)
    async with here.database.transaction() as session:
        row = await service.begin(session, uploads, wanted, owner=owner, target=target, layout=layout, now=moment)
    if row.status is not None and row.answer is not None:
        return _answered(Answer(row.status, row.answer))
    if (here_now := _offset(uploads, row)) > 0:  # begun before: the client asks nothing new, it lost the place
        return Response(status_code=201, headers=_standing(row, here_now, moment) | _location(row))
    with uploads.taken_over(row.id) as mine:
        found = await _append(request, here, files, uploads, row, mine, owner, wanted.complete, moment)
    if found.status_code == 204:
        found.status_code = 201
        found.headers.update(_location(row))
    return found


async def _append(
    request: Request,
    here: Service,
    files: Files,
    uploads: PartialUploads,
    row: UploadRow,
    mine: object,
    owner: Owner,
    complete: bool,
    moment: datetime,
) -> Response:
    try:
        came = await uploads.append(row.id, mine, request.stream(), offset=_offset(uploads, row), length=row.length)
    except TooLong as error:
        problem = refused(
            UploadRefusal.TOO_LARGE, "More came than Upload-Length said", f"Upload-Length was {row.length}; begin anew"
        )
        async with here.database.transaction() as session:
            await service.give_up(session, uploads, row)
        raise problem from error
    if not (complete and came.whole):
        return Response(status_code=204, headers=_standing(row, came.offset, moment))
    if came.offset != row.length:
        problem = refused(
            UploadRefusal.INCONSISTENT_LENGTH,
            "Less came than Upload-Length said",
            f"Upload-Length was {row.length}, {came.offset} bytes have come; send the rest",
        )
        return _answered(refusal(problem), {"Upload-Offset": str(came.offset), "Upload-Complete": "?0"})
    return _answered(await _complete(here, files, uploads, row, owner, moment))


async def _complete(
    here: Service, files: Files, uploads: PartialUploads, row: UploadRow, owner: Owner, moment: datetime
) -> Answer:
    """Taken and answered in one transaction; after a crash before its end the client completes it again, which changes nothing
    that was taken."""
    path = uploads.path(row.id)
    try:
        if await asyncio.to_thread(uploads.digest, row.id) != row.digest:
            detail = "the content is not what Repr-Digest says; begin anew"
            raise refused(UploadRefusal.DIGEST_WRONG, "The content came damaged", detail)
        async with here.database.transaction() as session:
            locked = await service.upload_of(session, row.id, owner, now=moment, lock=True)
            if locked.status is not None and locked.answer is not None:  # somebody else completed it meanwhile
                return Answer(locked.status, locked.answer)
            found = await take(session, files, path, locked, owner, now=moment)
            await _ended(here, session, locked, found, moment)
    except Refused as error:
        found = refusal(error)
        async with here.database.transaction() as session:
            locked = await service.upload_of(session, row.id, owner, now=moment, lock=True)
            await _ended(here, session, locked, found, moment)
    uploads.remove(row.id)
    return found


async def _ended(here: Service, session: Any, row: UploadRow, found: Answer, moment: datetime) -> None:
    await service.end(session, row, status=found.status, answer=found.body, now=moment)
    if row.target == Target.FILE:
        await here.accounts.record(
            session, now=moment, actor=row.by, act="file handed in", subject=row.digest.hex(), status=found.status
        )


def _too_large(detail: str, target: Target) -> Response:
    found = refusal(refused(UploadRefusal.TOO_LARGE, "The content is too large", detail))
    return _answered(found, {"Upload-Limit": limit_header(target, LIFETIME)})


def _checked(read: Callable[[Mapping[str, str]], T], headers: Mapping[str, str]) -> T:
    try:
        return read(headers)
    except HeadersWrong as error:
        errors = [{"field": field, "message": message} for field, message in error.faults.items()]
        raise Refused(
            400, "Headers are wrong", str(error), reason=UploadRefusal.HEADERS_WRONG, errors=errors
        ) from error


def _offset(uploads: PartialUploads, row: UploadRow) -> int:
    """Raises ``Refused`` where what came of an unfinished upload was lost."""
    if row.ended_at is not None:
        return row.length
    try:
        return uploads.offset(row.id)
    except OSError as error:
        raise refused(UploadRefusal.UNKNOWN, "There is no such upload", "its content was lost; begin anew") from error


def _standing(row: UploadRow, here_now: int, moment: datetime) -> dict[str, str]:
    return {
        "Upload-Offset": str(here_now),
        "Upload-Complete": boolean(row.ended_at is not None),
        "Upload-Length": str(row.length),
        "Upload-Limit": limit_header(Target(row.target), row.expires_at - moment),
    }


def _location(row: UploadRow) -> dict[str, str]:
    return {"Location": f"/uploads/{row.id}"}


def _answered(found: Answer, headers: Mapping[str, str] = _COMPLETE) -> Response:
    media_type = MEDIA_TYPE if found.status >= 400 else "application/json"
    return Response(found.body, found.status, media_type=media_type, headers=dict(headers))
