"""HTTP of the register."""

from __future__ import annotations

from fastapi import APIRouter, Request, Response

from backoffice.web import Now, ServiceDep
from issuing.register.service import take_file
from issuing.web import Clerk, VaultDep
from rulebook.messages.base import Message

router = APIRouter(prefix="/register", tags=["register"])


class FileReceipt(Message):
    """``content_hash`` is SHA-256, hexadecimal; ``repeated``: the same bytes had been taken before."""

    content_hash: str
    rows: int
    added: int
    changed: int
    repeated: bool


@router.post("/files", status_code=201)
async def post_file(
    request: Request, response: Response, here: ServiceDep, staff: Clerk, vault: VaultDep, now: Now
) -> FileReceipt:
    """A population file (text/csv, columns in ``issuing.register.rules``), taken whole or refused with every bad row."""
    raw = await request.body()
    async with here.database.transaction() as session:
        taken = await take_file(session, vault, raw, by=staff.name, now=now)
        await here.accounts.record(
            session, now=now, actor=staff.name, act="register file taken", subject=taken.content_hash, rows=taken.rows
        )
    response.status_code = 200 if taken.repeated else 201
    return FileReceipt(
        content_hash=taken.content_hash,
        rows=taken.rows,
        added=taken.added,
        changed=taken.changed,
        repeated=taken.repeated,
    )
