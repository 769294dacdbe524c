"""Enrolment and parameters over HTTP."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends, Header, Response

from backoffice.staff import Staff
from backoffice.web import Now, ServiceDep, require_role
from clearing.demonstration import DEVICES
from clearing.devices import service
from clearing.devices.identity import DeviceDep
from rulebook.messages.devices import DeviceEnrolment, DeviceInvitation, DeviceInvited, Parameters

router = APIRouter(tags=["devices"])
Steward = Annotated[Staff, Depends(require_role(DEVICES))]


@router.post("/devices/invitations", status_code=201)
async def invite(invitation: DeviceInvitation, staff: Steward, here: ServiceDep, moment: Now) -> DeviceInvited:
    async with here.database.transaction() as session:
        invited = await service.invite(session, invitation, now=moment)
        await here.accounts.record(
            session,
            now=moment,
            actor=staff.name,
            act="device invited",
            subject=invitation.device,
            operator=invitation.operator,
        )
    return invited


@router.post("/devices/enrolments", status_code=204)
async def enrol(enrolment: DeviceEnrolment, here: ServiceDep, moment: Now) -> Response:
    async with here.database.transaction() as session:
        await service.enrol(session, enrolment, now=moment)
    return Response(status_code=204)


@router.post("/devices/{device}/loss", status_code=204)
async def report_lost(device: str, staff: Steward, here: ServiceDep, moment: Now) -> Response:
    async with here.database.transaction() as session:
        await service.report_lost(session, device, now=moment)
        await here.accounts.record(session, now=moment, actor=staff.name, act="device reported lost", subject=device)
    return Response(status_code=204)


@router.get("/parameters", response_model=Parameters)
async def parameters(
    _: DeviceDep, here: ServiceDep, response: Response, if_none_match: Annotated[str, Header()] = ""
) -> Parameters | Response:
    """The tag names tariff and list version; a device that has both is told so in a few bytes."""
    async with here.database.reading() as session:
        tag = await service.parameters_tag(session)
        if if_none_match == tag:
            return Response(status_code=304, headers={"ETag": tag})
        response.headers["ETag"] = tag
        return await service.parameters(session)
