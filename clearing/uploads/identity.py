"""Whose request it is: a device's, which signs its head, or that of an operator's staff."""

from __future__ import annotations

import base64
import binascii
from typing import Annotated

from fastapi import Depends, HTTPException, Request

from backoffice.problems import Refused
from backoffice.staff import Staff
from backoffice.web import Now, ServiceDep, current_staff
from clearing.devices.identity import DEVICE_HEADER, SIGNATURE_HEADER
from clearing.devices.life import DeviceState
from clearing.devices.rules import is_signed
from clearing.devices.tables import DeviceRow
from clearing.uploads.service import Owner, OwnerKind
from rulebook.messages.uploads import signed_head

OPERATOR_ROLE = "operator:"
"""A role that begins so is staff of the operator named after it, and of no other."""


async def uploading_device(request: Request, here: ServiceDep) -> Owner:
    """FastAPI dependency: as ``clearing.devices.identity.current_device``, but without the content, which may be large."""
    name, signature = request.headers.get(DEVICE_HEADER), _signature(request)
    if name is None or signature is None:
        raise HTTPException(401, f"Sign the request: headers {DEVICE_HEADER} and {SIGNATURE_HEADER}")
    async with here.database.reading() as session:
        row = await session.get(DeviceRow, name)
    message = signed_head(request.method, request.url.path, request.headers)
    if row is None or row.public_key is None or not is_signed(row.public_key, signature, message):
        raise HTTPException(401, "No enrolled device signed this request with its key")
    if row.state != DeviceState.ENROLLED:
        raise HTTPException(403, f"This device is {row.state}")
    return Owner(OwnerKind.DEVICE, name, by=name)


async def operators_staff(request: Request, here: ServiceDep, moment: Now) -> Owner:
    """FastAPI dependency: the operator of the signed-in account; 403 for one that is no operator's, or several operators'."""
    return operator_of(await current_staff(request, here, moment))


async def uploader(request: Request, here: ServiceDep, moment: Now) -> Owner:
    """FastAPI dependency: either of the two."""
    if DEVICE_HEADER in request.headers:
        return await uploading_device(request, here)
    return await operators_staff(request, here, moment)


def operator_of(staff: Staff) -> Owner:
    """Raises ``Refused`` 403."""
    operators = [role.removeprefix(OPERATOR_ROLE) for role in sorted(staff.roles) if role.startswith(OPERATOR_ROLE)]
    if len(operators) != 1:
        detail = f"{staff.name} is staff of {' and '.join(operators) or 'no operator'}; files come from one operator's"
        raise Refused(403, "This needs an operator's account / 需要运营方账号", detail, reason="no_operator")
    return Owner(OwnerKind.OPERATOR, operators[0], by=staff.name)


DeviceOwner = Annotated[Owner, Depends(uploading_device)]
OperatorOwner = Annotated[Owner, Depends(operators_staff)]
AnyOwner = Annotated[Owner, Depends(uploader)]


def _signature(request: Request) -> bytes | None:
    try:
        return base64.b64decode(request.headers.get(SIGNATURE_HEADER, ""), validate=True)
    except binascii.Error:
        return None
