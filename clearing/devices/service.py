"""Inviting and enrolling a terminal; losing it, finding it, ending it."""

from __future__ import annotations

import secrets
from datetime import datetime

from sqlalchemy import insert
from sqlalchemy.ext.asyncio import AsyncSession

from backoffice.problems import Refused
from backoffice.states import step
from backoffice.two_people import a_second_person
from clearing.devices.fleet import begin_anew
from clearing.devices.key_change import keys_in_force
from clearing.devices.life import LIFE, TWO_PERSONS, DeviceEvent, DeviceState, possible
from clearing.devices.rules import (
    EXPLANATIONS,
    OPERATED_BY,
    EnrolmentRefusal,
    Invited,
    code_hash,
    judge_enrolment,
)
from clearing.devices.tables import DeviceAbsenceRow, DeviceRow, DeviceStepRow
from clearing.facts.queries import sam
from clearing.participants.service import city
from rulebook.messages.devices import DeviceEnrolled, DeviceEnrolment, DeviceInvitation, DeviceInvited


async def invite(session: AsyncSession, invitation: DeviceInvitation, *, actor: str, now: datetime) -> DeviceInvited:
    """Announce a device; its new one-time code. A repeat before enrolment replaces the code. Raises ``Refused``."""
    await _refuse_stranger(session, invitation)
    row = await session.get(DeviceRow, invitation.device, with_for_update=True)
    if row is None:
        row = DeviceRow(device=invitation.device, state=DeviceState.INVITED, invited_at=now, proposed_event="")
        session.add(row)
    elif DeviceEvent.INVITE not in possible(DeviceState(row.state)):
        raise Refused(409, "The device is enrolled", f"{row.device} is {row.state}", reason="already_enrolled")
    elif row.state != DeviceState.INVITED and (row.kind, row.operator) != (invitation.kind, invitation.operator):
        detail = f"{row.device} is a {row.kind} of {row.operator}; announce another one under a new name"
        raise Refused(409, "The device is another's", detail, reason="device_of_another")
    for field in ("kind", "operator", "line", "place"):
        setattr(row, field, getattr(invitation, field))
    return await _new_code(session, row, actor=actor, now=now)


async def enrol(session: AsyncSession, enrolment: DeviceEnrolment, *, now: datetime) -> DeviceEnrolled:
    """Take the device's key and PSAM; clearing's keys back. A repeat with equal content changes nothing. Raises
    ``Refused``."""
    row = await session.get(DeviceRow, enrolment.device, with_for_update=True)
    refusal = judge_enrolment(enrolment, _invited(row), await sam(session, enrolment.sam_serial))
    if refusal is not None:
        status = 404 if refusal is EnrolmentRefusal.DEVICE_NOT_INVITED else 409
        raise Refused(status, "The device cannot be enrolled", EXPLANATIONS[refusal], reason=refusal)
    assert row is not None
    if row.state != DeviceState.ENROLLED:
        await _end_absence(session, row, now)
        row.state = _next(row, DeviceEvent.ENROL)
        row.public_key = enrolment.public_key
        row.sam_serial = enrolment.sam_serial
        row.terminal_number = enrolment.terminal_number
        row.enrolled_at, row.lost_at = now, None
        row.proposed_event, row.proposed_by = "", None
        await begin_anew(session, row.device, now=now)
        await _step(session, row, DeviceEvent.ENROL, actor=row.device, now=now)
    keys = await keys_in_force(session)
    return DeviceEnrolled(parameter_keys=[key for key in (keys.signing, keys.announced) if key is not None])


async def report_lost(
    session: AsyncSession, device: str, *, since: datetime | None = None, actor: str, now: datetime
) -> None:
    """From ``since`` (now, where nobody knows) nothing it did counts, and nothing it sends is taken; what it brought from
    before stays good. A repeat changes nothing. Raises ``Refused`` for a device that is not enrolled, for a moment to
    come, and for a repeat with another moment."""
    if since is not None and since > now:
        raise Refused(422, "The loss is yet to come", f"since is {since}, it is {now}", reason="loss_in_future")
    row = await _existing(session, device)
    if row.state == DeviceState.LOST:
        if since not in (None, row.lost_at):
            detail = f"{device} is lost since {row.lost_at}, not since {since}"
            raise Refused(409, "The loss is known with another moment", detail, reason="lost_at_other_moment")
        return
    if row.state == DeviceState.INVITED:
        raise Refused(404, "No such device is enrolled", f"device is {device!r}", reason="device_unknown")
    row.state = _next(row, DeviceEvent.LOSE)
    row.lost_at = min(since or now, row.lost_at or now)
    row.proposed_event, row.proposed_by = "", None
    await _step(session, row, DeviceEvent.LOSE, actor=actor, now=now, since=row.lost_at)


async def propose(
    session: AsyncSession, device: str, event: DeviceEvent, note: str, *, actor: str, now: datetime
) -> DeviceRow:
    """The first person: it is found, or it is to end. Raises ``Refused``."""
    row = await _existing(session, device)
    if event not in TWO_PERSONS:
        detail = f"event is {event}; two persons decide on {', '.join(sorted(TWO_PERSONS))}"
        raise Refused(422, "Nothing to propose", detail, reason="event_of_one_person")
    _next(row, event)
    if row.proposed_event:
        detail = f"{row.proposed_by} proposed to {row.proposed_event} {device}; approve or withdraw that first"
        raise Refused(409, "Something is proposed already", detail, reason="already_proposed")
    if not note.strip():
        raise Refused(422, "A reason must be given", "note is empty; say why in a sentence", reason="note_missing")
    row.proposed_event, row.proposed_by = event, actor
    await _step(session, row, f"propose-{event}", actor=actor, now=now, note=note.strip())
    return row


async def withdraw(session: AsyncSession, device: str, *, actor: str, now: datetime) -> DeviceRow:
    """Either person takes the proposal back. Raises ``Refused``."""
    row = await _proposed(session, device)
    event, row.proposed_event, row.proposed_by = row.proposed_event, "", None
    await _step(session, row, f"withdraw-{event}", actor=actor, now=now)
    return row


async def approve(session: AsyncSession, device: str, *, actor: str, now: datetime) -> DeviceInvited | None:
    """The second person. A device that is found gets a new code, to be enrolled by a new key; one that has ended gets
    nothing. Raises ``Refused``."""
    row = await _proposed(session, device)
    a_second_person(actor, first=row.proposed_by, what=f"to {row.proposed_event} {device}")
    event = DeviceEvent(row.proposed_event)
    row.state = _next(row, event)
    row.proposed_event, row.proposed_by = "", None
    if event is DeviceEvent.DECOMMISSION:
        row.decommissioned_at = now
    await _step(session, row, event, actor=actor, now=now)
    return await _new_code(session, row, actor=actor, now=now) if event is DeviceEvent.RETURN else None


async def _refuse_stranger(session: AsyncSession, invitation: DeviceInvitation) -> None:
    role = OPERATED_BY[invitation.kind]
    fit = sorted(p.id for p in (await city(session)).participants if p.role is role)
    if invitation.operator not in fit:
        detail = f"operator is {invitation.operator}; a {invitation.kind} is one of {', '.join(fit)}'s"
        raise _not_invited("operator_unknown", detail)
    if not (invitation.device.isascii() and 0 < len(invitation.device) <= 12):
        raise _not_invited("device_name", f"device is {invitation.device!r}; it must have 1 to 12 ASCII characters")


async def _new_code(session: AsyncSession, row: DeviceRow, *, actor: str, now: datetime) -> DeviceInvited:
    code = secrets.token_urlsafe(16)
    row.code_hash = code_hash(row.device, code)
    await _step(session, row, DeviceEvent.INVITE, actor=actor, now=now)
    return DeviceInvited(device=row.device, code=code)


async def _end_absence(session: AsyncSession, row: DeviceRow, now: datetime) -> None:
    if row.lost_at is not None:
        await session.merge(DeviceAbsenceRow(device=row.device, lost_at=row.lost_at, back_at=max(now, row.lost_at)))


async def _step(
    session: AsyncSession,
    row: DeviceRow,
    event: str,
    *,
    actor: str,
    now: datetime,
    note: str = "",
    since: datetime | None = None,
) -> None:
    await session.flush()
    values = {"device": row.device, "at": now, "actor": actor, "event": event, "note": note, "since": since}
    await session.execute(insert(DeviceStepRow).values(values))


async def _existing(session: AsyncSession, device: str) -> DeviceRow:
    """Locked. Raises ``Refused`` 404."""
    row = await session.get(DeviceRow, device, with_for_update=True, populate_existing=True)
    if row is None:
        raise Refused(404, "No such device is enrolled", f"device is {device!r}", reason="device_unknown")
    return row


async def _proposed(session: AsyncSession, device: str) -> DeviceRow:
    row = await _existing(session, device)
    if not row.proposed_event:
        raise Refused(409, "Nothing is proposed", f"nobody proposed anything for {device}", reason="nothing_proposed")
    return row


def _next(row: DeviceRow, event: DeviceEvent) -> DeviceState:
    """Raises ``Refused``."""
    return step(LIFE, row.device, DeviceState(row.state), event, reason=f"device_{row.state}")


def _invited(row: DeviceRow | None) -> Invited | None:
    if row is None:
        return None
    return Invited(
        row.device,
        row.operator,
        DeviceState(row.state),
        row.code_hash,
        row.public_key,
        row.sam_serial,
        row.terminal_number,
    )


def _not_invited(reason: str, detail: str) -> Refused:
    return Refused(422, "The device cannot be invited", detail, reason=reason)
