"""Inviting and enrolling a terminal; what it then works by."""

from __future__ import annotations

import secrets
from datetime import datetime

from sqlalchemy.ext.asyncio import AsyncSession

from backoffice.problems import Refused
from clearing.devices.rules import (
    EXPLANATIONS,
    OPERATED_BY,
    DeviceState,
    EnrolmentRefusal,
    Invited,
    code_hash,
    judge_enrolment,
)
from clearing.devices.tables import DeviceRow
from clearing.facts.queries import deny_list, sam
from clearing.participants.service import city, newest_tariff
from rulebook.messages.devices import DeviceEnrolment, DeviceInvitation, DeviceInvited, Parameters


async def invite(session: AsyncSession, invitation: DeviceInvitation, *, now: datetime) -> DeviceInvited:
    """Announce a device; its new one-time code. A repeat before enrolment replaces the code. Raises ``Refused``."""
    role = OPERATED_BY[invitation.kind]
    fit = sorted(p.id for p in (await city(session)).participants if p.role is role)
    if invitation.operator not in fit:
        raise _refused(
            "operator_unknown", f"operator is {invitation.operator}; a {invitation.kind} is one of {', '.join(fit)}'s"
        )
    if not (invitation.device.isascii() and 0 < len(invitation.device) <= 12):
        raise _refused("device_name", f"device is {invitation.device!r}; it must have 1 to 12 ASCII characters")
    row = await session.get(DeviceRow, invitation.device, with_for_update=True)
    if row is not None and row.state != DeviceState.INVITED:
        raise Refused(409, "The device is enrolled", f"{row.device} is {row.state}", reason="already_enrolled")
    code = secrets.token_urlsafe(16)
    await session.merge(
        DeviceRow(
            **invitation.model_dump(),
            state=DeviceState.INVITED,
            code_hash=code_hash(invitation.device, code),
            invited_at=now,
        )
    )
    await session.flush()
    return DeviceInvited(device=invitation.device, code=code)


async def enrol(session: AsyncSession, enrolment: DeviceEnrolment, *, now: datetime) -> None:
    """Take the device's key and PSAM. A repeat with equal content changes nothing. Raises ``Refused``."""
    row = await session.get(DeviceRow, enrolment.device, with_for_update=True)
    refusal = judge_enrolment(enrolment, _invited(row), await sam(session, enrolment.sam_serial))
    if refusal is not None:
        status = 404 if refusal is EnrolmentRefusal.DEVICE_NOT_INVITED else 409
        raise Refused(status, "The device cannot be enrolled", EXPLANATIONS[refusal], reason=refusal)
    assert row is not None
    if row.state == DeviceState.INVITED:
        row.state = DeviceState.ENROLLED
        row.public_key = enrolment.public_key
        row.sam_serial = enrolment.sam_serial
        row.terminal_number = enrolment.terminal_number
        row.enrolled_at = now
        await session.flush()


async def report_lost(session: AsyncSession, device: str, *, now: datetime) -> None:
    """From now on nothing it sends is taken; what it brought from before stays good. A repeat changes nothing. Raises
    ``Refused`` for a device that is not enrolled."""
    row = await session.get(DeviceRow, device, with_for_update=True)
    if row is None or row.state == DeviceState.INVITED:
        raise Refused(404, "No such device is enrolled", f"device is {device!r}", reason="device_unknown")
    if row.state != DeviceState.LOST:
        row.state, row.lost_at = DeviceState.LOST, now
    await session.flush()


async def parameters_tag(session: AsyncSession) -> str:
    """An entity tag (RFC 9110 §8.8.3) that changes with what ``parameters`` answers."""
    return f'"{(await newest_tariff(session)).version}-{(await deny_list(session)).version}"'


async def parameters(session: AsyncSession) -> Parameters:
    """The newest tariff and the whole deny list."""
    tariff = await newest_tariff(session)
    deny = await deny_list(session)
    return Parameters(
        tariff_version=tariff.version,
        tariff=tariff.document,
        list_version=deny.version,
        deny_list=list(deny.entries()),
    )


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


def _refused(reason: str, detail: str) -> Refused:
    return Refused(422, "The device cannot be invited", detail, reason=reason)
