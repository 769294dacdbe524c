"""``POST /batches``."""

from __future__ import annotations

from fastapi import APIRouter, Request, Response

from backoffice.problems import Refused
from backoffice.web import Now, ServiceDep
from clearing.devices.identity import DeviceDep
from clearing.files import FilesDep
from clearing.intake.service import Conflict, take_batch
from clearing.settlement.queries import open_window
from rulebook.messages.devices import BatchReceipt

router = APIRouter(tags=["intake"])


@router.post("/batches", status_code=201, responses={200: {"description": "repeated with equal content"}})
async def take(
    request: Request, response: Response, device: DeviceDep, here: ServiceDep, files: FilesDep, moment: Now
) -> BatchReceipt:
    raw = await request.body()
    async with here.database.transaction() as session:
        window = await open_window(session)
        taken = await take_batch(session, files.raw, raw, device=device.device, window=window, now=moment)
    if isinstance(taken, Conflict):  # after the commit: the report of it stays
        errors = [{"field": "batch", "message": fault} for fault in taken.faults]
        raise Refused(409, "Known with other content", reason="repeated_with_other_content", errors=errors)
    if taken.repeated:
        response.status_code = 200
    return taken
