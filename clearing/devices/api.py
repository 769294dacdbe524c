"""Devices over HTTP: what staff does about them, and what they say of themselves."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Form, Request, Response
from fastapi.responses import RedirectResponse

from backoffice.web import Now, ServiceDep
from clearing.devices import service
from clearing.devices.answers import CityMoment, Note, Steward, from_a_page
from clearing.devices.fleet import take_report
from clearing.devices.identity import DeviceDep
from clearing.devices.life import DeviceEvent
from rulebook.messages.devices import DeviceEnrolled, DeviceEnrolment, DeviceHealth, DeviceInvitation, DeviceInvited

router = APIRouter(tags=["devices"])


@router.post("/devices/invitations", status_code=201)
async def invite(invitation: DeviceInvitation, staff: Steward, here: ServiceDep, moment: Now) -> DeviceInvited:
    async with here.database.transaction() as session:
        invited = await service.invite(session, invitation, actor=staff.name, now=moment)
        await here.accounts.record(
            session,
            now=moment,
            actor=staff.name,
            act="device invited",
            subject=invitation.device,
            operator=invitation.operator,
        )
    return invited


@router.post("/devices/enrolments")
async def enrol(enrolment: DeviceEnrolment, here: ServiceDep, moment: Now) -> DeviceEnrolled:
    async with here.database.transaction() as session:
        return await service.enrol(session, enrolment, now=moment)


@router.post("/devices/health", status_code=204)
async def report_health(said: DeviceHealth, device: DeviceDep, here: ServiceDep, moment: Now) -> Response:
    async with here.database.transaction() as session:
        await take_report(session, device.device, said, now=moment)
    return Response(status_code=204)


@router.post("/devices/{device}/loss", status_code=204)
async def report_lost(
    device: str,
    request: Request,
    staff: Steward,
    here: ServiceDep,
    moment: Now,
    since: Annotated[CityMoment, Form()] = None,
) -> Response:
    """``since``: from when nothing it did counts; now, where nobody knows."""
    async with here.database.transaction() as session:
        await service.report_lost(session, device, since=since, actor=staff.name, now=moment)
        await here.accounts.record(session, now=moment, actor=staff.name, act="device reported lost", subject=device)
    return _done(request, device)


@router.post("/devices/{device}/proposal", status_code=204)
async def propose(
    device: str,
    request: Request,
    staff: Steward,
    here: ServiceDep,
    moment: Now,
    event: Annotated[DeviceEvent, Form()],
    note: Note,
) -> Response:
    """The first person: ``return`` of a lost device, or ``decommission``."""
    async with here.database.transaction() as session:
        await service.propose(session, device, event, note, actor=staff.name, now=moment)
        await here.accounts.record(
            session, now=moment, actor=staff.name, act=f"device {event} proposed", subject=device
        )
    return _done(request, device)


@router.post("/devices/{device}/approval", response_model=DeviceInvited | None)
async def approve(
    device: str, request: Request, staff: Steward, here: ServiceDep, moment: Now
) -> DeviceInvited | Response | None:
    """The second person. A device that was found is answered with its new code, once."""
    async with here.database.transaction() as session:
        invited = await service.approve(session, device, actor=staff.name, now=moment)
        await here.accounts.record(
            session, now=moment, actor=staff.name, act="device proposal approved", subject=device
        )
    if not from_a_page(request):
        return invited
    if invited is None:
        return _done(request, device)
    return here.page(request, "device_code.html", invited=invited)


@router.post("/devices/{device}/withdrawal", status_code=204)
async def withdraw(device: str, request: Request, staff: Steward, here: ServiceDep, moment: Now) -> Response:
    """Either person, before the approval."""
    async with here.database.transaction() as session:
        await service.withdraw(session, device, actor=staff.name, now=moment)
        await here.accounts.record(
            session, now=moment, actor=staff.name, act="device proposal withdrawn", subject=device
        )
    return _done(request, device)


def _done(request: Request, device: str) -> Response:
    return RedirectResponse(f"/devices/{device}", 303) if from_a_page(request) else Response(status_code=204)
