"""HTTP of the SAM register."""

from __future__ import annotations

from fastapi import APIRouter
from pydantic import Field

from backoffice.web import Now, ServiceDep
from issuing.sams.service import bind, report_loss, sam_fact, unbind
from issuing.web import Approver, Clerk
from rulebook.messages.base import Hex, Message
from rulebook.messages.facts import SamFact

router = APIRouter(prefix="/sams", tags=["sams"])


class Binding(Message):
    """Device ids have at most 12 ASCII characters (docs/doors.md)."""

    device: str = Field(min_length=1, max_length=12, pattern=r"^[ -~]+$")
    operator: str = Field(min_length=1)


@router.post("/{serial}/binding")
async def post_binding(serial: Hex, body: Binding, here: ServiceDep, staff: Approver, now: Now) -> SamFact:
    """To one device of one operator."""
    async with here.database.transaction() as session:
        sam = await bind(session, serial, device=body.device, operator=body.operator, now=now)
        shown = serial.hex().upper()
        await here.accounts.record(
            session,
            now=now,
            actor=staff.name,
            act="SAM bound",
            subject=shown,
            device=body.device,
            operator=body.operator,
        )
    return sam_fact(sam)


@router.delete("/{serial}/binding")
async def delete_binding(serial: Hex, here: ServiceDep, staff: Approver, now: Now) -> SamFact:
    """Taken out of its device, back in the safe."""
    async with here.database.transaction() as session:
        sam = await unbind(session, serial, now=now)
        shown = serial.hex().upper()
        await here.accounts.record(session, now=now, actor=staff.name, act="SAM unbound", subject=shown)
    return sam_fact(sam)


@router.post("/{serial}/loss")
async def post_loss(serial: Hex, here: ServiceDep, staff: Clerk, now: Now) -> SamFact:
    """Reported lost."""
    async with here.database.transaction() as session:
        sam = await report_loss(session, serial, now=now)
        shown = serial.hex().upper()
        await here.accounts.record(session, now=now, actor=staff.name, act="SAM lost", subject=shown)
    return sam_fact(sam)
