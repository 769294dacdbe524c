"""A SAM's way: personalised, bound to one device of one operator, perhaps lost."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncSession

from backoffice.problems import Refused
from issuing.feed.service import publish
from issuing.sams.rules import SamEvent, next_state
from issuing.sams.tables import SamRow
from rulebook.messages.facts import SamFact, SamState


async def enter(session: AsyncSession, sam: SamRow) -> None:
    """Put a personalised SAM into the register and the feed."""
    session.add(sam)
    await session.flush()
    await publish(session, [sam_fact(sam)])


async def bind(session: AsyncSession, sam_serial: bytes, *, device: str, operator: str, now: datetime) -> SamRow:
    """To one device of one operator. The same binding again changes nothing. Raises ``Refused`` 404 and 409."""
    sam = await _locked(session, sam_serial)
    if sam.state == SamState.BOUND and (sam.device, sam.operator) == (device, operator):
        return sam
    taken = await session.scalar(select(SamRow.sam_serial).where(SamRow.device == device))
    if taken is not None and taken != sam_serial:
        raise Refused(409, f"Device {device} has a SAM", f"SAM {taken.hex().upper()}", reason="device_has_a_sam")
    return await _change(session, sam, SamEvent.BIND, device, operator, now)


async def unbind(session: AsyncSession, sam_serial: bytes, *, now: datetime) -> SamRow:
    """Taken out of its device and back in the safe."""
    return await _change(session, await _locked(session, sam_serial), SamEvent.UNBIND, None, None, now)


async def report_loss(session: AsyncSession, sam_serial: bytes, *, now: datetime) -> SamRow:
    """The register keeps whose it was; the device may get another."""
    sam = await _locked(session, sam_serial)
    return await _change(session, sam, SamEvent.REPORT_LOSS, None, sam.operator, now)


def sam_fact(sam: SamRow) -> SamFact:
    return SamFact(
        sam_serial=sam.sam_serial,
        terminal_number=sam.terminal_number,
        issuer=sam.issuer,
        key_version=sam.key_version,
        device=sam.device,
        operator=sam.operator,
        state=SamState(sam.state),
    )


async def counts(session: AsyncSession) -> dict[str, int]:
    """How many SAMs there are by state."""
    grouped = select(SamRow.state, func.count()).group_by(SamRow.state)
    return {state: count for state, count in await session.execute(grouped)}  # noqa: C416 (rows, not pairs)


async def _locked(session: AsyncSession, sam_serial: bytes) -> SamRow:
    sam = await session.get(SamRow, sam_serial, with_for_update=True)
    if sam is None:
        shown = sam_serial.hex().upper()
        raise Refused(404, "No such SAM in the register", f"serial {shown}", reason="sam_unknown")
    return sam


async def _change(
    session: AsyncSession, sam: SamRow, event: SamEvent, device: str | None, operator: str | None, now: datetime
) -> SamRow:
    sam.state = next_state(SamState(sam.state), event)
    sam.device, sam.operator, sam.changed_at = device, operator, now
    await session.flush()
    await publish(session, [sam_fact(sam)])
    return sam
