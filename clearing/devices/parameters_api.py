"""Signed parameters over HTTP: for devices to fetch, or to be carried to them."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query, Response

from backoffice.problems import Refused
from backoffice.web import Now, ServiceDep
from clearing.devices.answers import KeysDep, Steward
from clearing.devices.fleet import fleet, told
from clearing.devices.identity import DeviceDep
from clearing.devices.life import DeviceState
from clearing.devices.parts import deny_changes, list_version, tariff_part
from clearing.devices.statements import package_for, statement_for

router = APIRouter(tags=["parameters"])
OCTETS = "application/octet-stream"


@router.get("/parameters")
async def statement(device: DeviceDep, here: ServiceDep, keys: KeysDep, moment: Now) -> Response:
    """The signed statement for the device that asks (``rulebook.parameters``)."""
    async with here.database.transaction() as session:
        issued = await statement_for(session, keys, device.device, device.kind, now=moment)
        await told(session, device.device, issued.statement.deny_list.version, now=moment)
    return Response(issued.document, media_type=OCTETS)


@router.get("/parameters/tariff/{version}")
async def tariff(version: int, _: DeviceDep, here: ServiceDep) -> Response:
    """The tariff document's canonical JSON, whose hash the statement names."""
    async with here.database.reading() as session:
        document = await tariff_part(session, version)
    if document is None:
        raise Refused(404, "No such tariff is published", f"version is {version}", reason="tariff_unknown")
    return Response(document, media_type="application/json")


@router.get("/parameters/deny-list")
async def deny_list(
    _: DeviceDep,
    here: ServiceDep,
    after: Annotated[int, Query(ge=0, lt=2**63)] = 0,
    until: Annotated[int | None, Query(ge=0, lt=2**63)] = None,
) -> Response:
    """What changed between two versions, the newest by default; after 0 the whole list."""
    async with here.database.reading() as session:
        newest = await list_version(session)
        wanted = newest if until is None else until
        if wanted > newest or after > wanted:
            detail = f"after is {after}, until is {wanted}; the newest version is {newest}"
            raise Refused(404, "No such versions of the deny list", detail, reason="list_version_unknown")
        changes = await deny_changes(session, after, wanted)
    return Response(changes, media_type=OCTETS)


@router.get("/devices/{device}/parameters")
async def package(device: str, staff: Steward, here: ServiceDep, keys: KeysDep, moment: Now) -> Response:
    """Statement and parts in one file, to be carried to a device that has no network."""
    async with here.database.transaction() as session:
        found = await fleet(session, now=moment, device=device)
        if not found or found[0].known.state is not DeviceState.ENROLLED:
            raise Refused(404, "No such device is enrolled", f"device is {device!r}", reason="device_unknown")
        packed = await package_for(session, keys, device, found[0].known.kind, now=moment)
        await here.accounts.record(session, now=moment, actor=staff.name, act="parameters taken out", subject=device)
    headers = {"Content-Disposition": f'attachment; filename="{device}.parameters"'}
    return Response(packed, media_type=OCTETS, headers=headers)
