"""Medical messages over HTTP. Bodies are read here, not by FastAPI, so that no amount ever passes through a float."""

from __future__ import annotations

from functools import cache
from json import JSONDecodeError
from typing import Annotated, Any, TypeVar

from fastapi import APIRouter, Depends, Request, Response
from pydantic import ValidationError

from backoffice.problems import Refused
from backoffice.web import Now, ServiceDep
from clearing.benefits import service
from clearing.benefits.office import Desk, FundOffice
from clearing.benefits.policy import Policy, packaged_policies
from clearing.benefits.presence import give_challenge
from clearing.devices.identity import DeviceDep
from clearing.keys import VaultDep
from clearing.verification.context import KnownDevice
from rulebook.messages import medical
from rulebook.messages.base import Message
from rulebook.messages.devices import DeviceKind

router = APIRouter(prefix="/medical", tags=["medical"])
M = TypeVar("M", bound=Message)

_policies = cache(packaged_policies)


def fund_office(vault: VaultDep) -> FundOffice:
    """FastAPI dependency. The simulator overrides it to make challenges from its seed."""
    policies: tuple[Policy, ...] = _policies()
    return FundOffice(vault, policies)


def hospital_desk(device: DeviceDep) -> Desk:
    """FastAPI dependency: the desk that signed the request; 403 for any other kind of device."""
    if device.kind is not DeviceKind.HOSPITAL:
        raise _not_a_desk(device)
    return Desk(device.device, device.operator)


OfficeDep = Annotated[FundOffice, Depends(fund_office)]
DeskDep = Annotated[Desk, Depends(hospital_desk)]


@router.post("/challenges", response_model=medical.PresenceChallenge)
async def challenge(request: Request, desk: DeskDep, office: OfficeDep, here: ServiceDep, moment: Now) -> Response:
    """A fresh challenge for the card at this desk."""
    asked = _read(medical.PresenceChallengeRequest, await request.body())
    if asked.device != desk.device:
        raise _malformed([{"field": "device", "message": f"is not the desk's own, {desk.device}"}])
    async with here.database.transaction() as session:
        given = await give_challenge(session, desk, office, moment)
    return _json(given)


@router.post("/{infno}")
async def message(
    infno: medical.Infno, request: Request, desk: DeskDep, office: OfficeDep, here: ServiceDep, moment: Now
) -> Response:
    """One national message; ``rulebook.messages.medical`` has the form of each."""
    asked: medical.Request[Any] = _read(medical.REQUESTS[infno], await request.body())
    if asked.infno is not infno:
        raise _malformed([{"field": "infno", "message": f"is {asked.infno.value}, the address says {infno.value}"}])
    async with here.database.transaction() as session:
        await service.take_presence(session, desk, asked, moment)
    async with here.database.transaction() as session:
        answer = await service.handle(session, office, desk, asked, moment)
    return _json(answer)


def _read(kind: type[M], body: bytes) -> M:
    try:
        return medical.parse(kind, body)
    except ValidationError as error:
        faults = [
            {"field": ".".join(str(part) for part in fault["loc"]), "message": fault["msg"]}
            for fault in error.errors(include_url=False, include_input=False, include_context=False)
        ]
        raise _malformed(faults) from error
    except (JSONDecodeError, UnicodeDecodeError) as error:
        raise _malformed([{"field": "body", "message": f"is no JSON: {error}"}]) from error


def _malformed(faults: list[dict[str, Any]]) -> Refused:
    return Refused(422, "The message has wrong or missing fields", errors=faults, reason="invalid_fields")


def _not_a_desk(device: KnownDevice) -> Refused:
    return Refused(
        403, "Only a hospital desk settles visits", f"{device.device} is a {device.kind}", reason="not_a_desk"
    )


def _json(answer: Message) -> Response:
    return Response(medical.to_wire(answer), media_type="application/json")
