"""Which terminal a request comes from (docs/doors.md, "HTTP")."""

from __future__ import annotations

import base64
import binascii
from typing import Annotated

from fastapi import Depends, HTTPException, Request

from backoffice.web import ServiceDep
from clearing.devices.queries import known
from clearing.devices.rules import DeviceState, is_signed
from clearing.devices.tables import DeviceRow
from clearing.verification.context import KnownDevice

DEVICE_HEADER = "Citycard-Device"
SIGNATURE_HEADER = "Citycard-Signature"


def signed_request(method: str, path: str, body: bytes) -> bytes:
    """What a device signs: ``METHOD SP PATH LF body``."""
    return f"{method} {path}\n".encode() + body


async def current_device(request: Request, here: ServiceDep) -> KnownDevice:
    """FastAPI dependency: the enrolled device whose key signed this request; 401 otherwise, 403 for a lost one."""
    name, signature = request.headers.get(DEVICE_HEADER), _signature(request)
    if name is None or signature is None:
        raise HTTPException(401, f"Sign the request: headers {DEVICE_HEADER} and {SIGNATURE_HEADER}")
    async with here.database.reading() as session:
        row = await session.get(DeviceRow, name)
    message = signed_request(request.method, request.url.path, await request.body())
    if row is None or row.public_key is None or not is_signed(row.public_key, signature, message):
        raise HTTPException(401, "No enrolled device signed this request with its key")
    if row.state == DeviceState.LOST:
        raise HTTPException(403, "This device was reported lost")
    return known(row)


DeviceDep = Annotated[KnownDevice, Depends(current_device)]


def _signature(request: Request) -> bytes | None:
    try:
        return base64.b64decode(request.headers.get(SIGNATURE_HEADER, ""), validate=True)
    except binascii.Error:
        return None
