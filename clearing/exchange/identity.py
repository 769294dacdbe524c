"""Which other city a request without a message comes from."""

from __future__ import annotations

import base64
import binascii
from typing import Annotated

from fastapi import Depends, HTTPException, Request

from backoffice.web import ServiceDep
from clearing.devices.identity import SIGNATURE_HEADER, signed_request
from clearing.devices.rules import is_signed
from clearing.exchange.partners import Partner
from clearing.exchange.signing import CENTRE_HEADER
from clearing.participants.service import city


def signature_of(request: Request) -> bytes:
    """Of the header; empty where there is none."""
    try:
        return base64.b64decode(request.headers.get(SIGNATURE_HEADER, ""), validate=True)
    except binascii.Error:
        return b""


async def current_partner(request: Request, here: ServiceDep) -> Partner:
    """FastAPI dependency: the partner whose key signed this request (``METHOD SP PATH LF body``); 401 otherwise."""
    async with here.database.reading() as session:
        exchange = (await city(session)).exchange
    named = request.headers.get(CENTRE_HEADER, "").upper()
    partner = next((p for p in (exchange.partners if exchange else ()) if p.centre.hex().upper() == named), None)
    message = signed_request(request.method, request.url.path, await request.body())
    if partner is None or not is_signed(partner.public_key, signature_of(request), message):
        raise HTTPException(401, f"Sign the request: headers {CENTRE_HEADER} and {SIGNATURE_HEADER}")
    return partner


PartnerDep = Annotated[Partner, Depends(current_partner)]
