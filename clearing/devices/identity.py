"""Which terminal a request comes from (docs/doors.md, "HTTP")."""

from __future__ import annotations

import base64
import binascii
from typing import Annotated

from fastapi import Depends, HTTPException, Request
from sqlalchemy import bindparam, select

from backoffice.web import Now, ServiceDep
from clearing.devices.fleet import CONTACT_GRAIN, heard_from
from clearing.devices.life import DeviceState
from clearing.devices.queries import known
from clearing.devices.rules import is_signed
from clearing.devices.tables import DeviceHealthRow, DeviceRow
from clearing.verification.context import KnownDevice

DEVICE_HEADER = "Citycard-Device"
SIGNATURE_HEADER = "Citycard-Signature"


def signed_request(method: str, path: str, body: bytes) -> bytes:
    """What a device signs: ``METHOD SP PATH LF body``."""
    return f"{method} {path}\n".encode() + body


_SIGNER = (
    select(DeviceRow, DeviceHealthRow.last_contact)
    .outerjoin(DeviceHealthRow, DeviceHealthRow.device == DeviceRow.device)
    .where(DeviceRow.device == bindparam("name"))
)
# Who signed it right, and is not listened to all the same.
_TURNED_AWAY = {
    DeviceState.LOST: "This device was reported lost",
    DeviceState.RETURNING: "This device was lost; enrol it with a new key",
    DeviceState.DECOMMISSIONED: "This device was decommissioned",
}


async def current_device(request: Request, here: ServiceDep, moment: Now) -> KnownDevice:
    """FastAPI dependency: the enrolled device whose key signed this request; 401 otherwise, 403 for one that is lost or has
    ended."""
    name, signature = request.headers.get(DEVICE_HEADER), _signature(request)
    if name is None or signature is None:
        raise HTTPException(401, f"Sign the request: headers {DEVICE_HEADER} and {SIGNATURE_HEADER}")
    async with here.database.reading() as session:
        row, last_contact = (await session.execute(_SIGNER, {"name": name})).one_or_none() or (None, None)
    message = signed_request(request.method, request.url.path, await request.body())
    if row is None or row.public_key is None or not is_signed(row.public_key, signature, message):
        raise HTTPException(401, "No enrolled device signed this request with its key")
    if (turned_away := _TURNED_AWAY.get(DeviceState(row.state))) is not None:
        raise HTTPException(403, turned_away)
    if last_contact is None or last_contact < moment - CONTACT_GRAIN:
        async with here.database.transaction() as session:
            await heard_from(session, name, now=moment)
    return known(row)


DeviceDep = Annotated[KnownDevice, Depends(current_device)]


def _signature(request: Request) -> bytes | None:
    try:
        return base64.b64decode(request.headers.get(SIGNATURE_HEADER, ""), validate=True)
    except binascii.Error:
        return None
