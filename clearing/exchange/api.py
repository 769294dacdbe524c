"""The exchange over HTTP: for other cities, who sign, and for our staff."""

from __future__ import annotations

import asyncio
import base64
import binascii
from datetime import datetime
from functools import partial
from typing import Annotated

from fastapi import APIRouter, Depends, Query, Request, Response, UploadFile
from fastapi.responses import RedirectResponse
from sqlalchemy.ext.asyncio import AsyncSession

from backoffice.problems import Refused
from backoffice.staff import Staff
from backoffice.web import Now, Service, ServiceDep, require_role
from clearing.demonstration import SETTLEMENT
from clearing.devices.identity import SIGNATURE_HEADER
from clearing.exchange import history, queries, receiving, sending, service
from clearing.exchange.identity import PartnerDep, signature_of
from clearing.exchange.keys import CentreKey, CentreKeyDep
from clearing.exchange.messages import Acknowledgement, MessageKind
from clearing.exchange.partners import Partner
from clearing.exchange.queries import Direction
from clearing.exchange.service import Taken
from clearing.exchange.tables import MessageRow
from clearing.exchange.views import MessageReceipt, PackageView, package_view
from clearing.files import Files, FilesDep
from clearing.keys import VaultDep
from clearing.participants.rules import City
from clearing.participants.service import city
from hardware.vault.vault import Vault
from rulebook.calendar import BUSINESS_ZONE

router = APIRouter(tags=["exchange"])
Clerk = Annotated[Staff, Depends(require_role(SETTLEMENT))]
XML = "application/xml"


@router.post("/exchange/messages", status_code=201, responses={200: {"description": "repeated with equal content"}})
async def take(
    request: Request,
    response: Response,
    here: ServiceDep,
    files: FilesDep,
    vault: VaultDep,
    key: CentreKeyDep,
    moment: Now,
) -> MessageReceipt:
    """A package, accounting result or dispute result, signed by the city that its SenderId names. 409 for a number with
    other content, 422 with every fault."""
    body = await request.body()
    taken = await _taken(here, files, vault, key, moment, body, signature_of(request))
    if taken.repeated:
        response.status_code = 200
    return MessageReceipt(kind=taken.kind, number=taken.number, result=taken.code)


@router.get("/exchange/messages/{kind}")
async def numbers(
    kind: MessageKind, other: PartnerDep, here: ServiceDep, after: Annotated[int, Query(ge=0)] = 0
) -> list[int]:
    """The numbers of our messages of that kind to the city that asks."""
    async with here.database.reading() as session:
        every = await queries.numbers(session, Direction.OUT, other.participant, kind)
    return [number for number in every if number > after]


@router.get("/exchange/messages/{kind}/{number}", response_class=Response)
async def fetch(kind: MessageKind, number: int, other: PartnerDep, here: ServiceDep, moment: Now) -> Response:
    """A message for the city that asks, our signature beside it. A package counts as sent from now on."""
    async with here.database.transaction() as session:
        row = await _message(session, other.participant, kind, number)
        if kind is MessageKind.PACKAGE:
            await sending.sent(session, other, number, await city(session), now=moment)
    return Response(row.content, media_type=XML, headers={SIGNATURE_HEADER: _base64(row.signature)})


@router.post("/exchange/packages", status_code=201, response_model=list[PackageView])
async def pack(
    request: Request, staff: Clerk, here: ServiceDep, files: FilesDep, key: CentreKeyDep, moment: Now
) -> list[PackageView] | Response:
    """Put the claims of every closed window into packages; those that are new. A repeat makes none."""
    async with here.database.transaction() as session:
        of = await city(session)
        made = await history.pack_closed(session, files, of, key, now=moment)
        windows = {row.window for row in made}
        for row in made:
            await here.accounts.record(
                session,
                now=moment,
                actor=staff.name,
                act="claims packed",
                subject=str(row.window),
                claims=str(row.claims),
                without_partner=str(row.without_partner),
            )
        rows = [row for row in await queries.packages(session, Direction.OUT) if row.window in windows]
        today = moment.astimezone(BUSINESS_ZONE).date()
        return _to_page(request) or [package_view(row, today=today) for row in rows]


@router.post("/exchange/packages/{partner}/{number}/sending", response_model=PackageView)
async def hand_over(
    partner: str, number: int, request: Request, staff: Clerk, here: ServiceDep, moment: Now
) -> PackageView | Response:
    """Somebody has carried the file there."""
    async with here.database.transaction() as session:
        of = await city(session)
        row = await sending.sent(session, partner_named(of, partner), number, of, now=moment)
        await here.accounts.record(
            session, now=moment, actor=staff.name, act="package handed over", subject=f"{partner} {number}"
        )
        return _to_page(request) or package_view(row, today=moment.astimezone(BUSINESS_ZONE).date())


@router.post("/exchange/packages/{partner}/{number}/reminder", response_model=PackageView)
async def remind(
    partner: str, number: int, request: Request, staff: Clerk, here: ServiceDep, moment: Now
) -> PackageView | Response:
    """The answer is overdue; 409 before that."""
    async with here.database.transaction() as session:
        found = partner_named(await city(session), partner)
        row = await sending.remind(session, found, number, now=moment)
        await here.accounts.record(
            session, now=moment, actor=staff.name, act="answer asked for again", subject=f"{partner} {number}"
        )
        return _to_page(request) or package_view(row, today=moment.astimezone(BUSINESS_ZONE).date())


@router.post("/exchange/partners/{partner}/rulings", response_model=MessageReceipt | None)
async def tell_rulings(
    partner: str, request: Request, staff: Clerk, here: ServiceDep, key: CentreKeyDep, moment: Now
) -> MessageReceipt | Response | None:
    """Tell the other city how its disputed claims have ended; nothing where no case has closed since."""
    async with here.database.transaction() as session:
        of = await city(session)
        found = partner_named(of, partner)
        result = await receiving.tell_rulings(session, found, sending.exchange_of(of), key, now=moment)
        if result is None:
            return _to_page(request)
        await here.accounts.record(
            session, now=moment, actor=staff.name, act="rulings told", subject=f"{partner} {result.number}"
        )
        receipt = MessageReceipt(kind=MessageKind.DISPUTE, number=result.number, result=Acknowledgement.RECEIVED)
        return _to_page(request) or receipt


@router.post("/exchange/uploads")
async def upload(
    message_file: UploadFile,
    signature_file: UploadFile,
    staff: Clerk,
    here: ServiceDep,
    files: FilesDep,
    vault: VaultDep,
    key: CentreKeyDep,
    moment: Now,
) -> Response:
    """A message carried by hand, with the file of its signature (base64)."""
    try:
        signature = base64.b64decode((await signature_file.read()).strip(), validate=True)
    except (binascii.Error, ValueError) as error:
        detail = "signature_file is no base64; it is the .sig that came with the message"
        raise Refused(422, "The signature cannot be read", detail, reason="signature_wrong") from error
    taken = await _taken(here, files, vault, key, moment, await message_file.read(), signature)
    async with here.database.transaction() as session:
        subject = f"{taken.partner} {taken.kind} {taken.number}"
        await here.accounts.record(session, now=moment, actor=staff.name, act="message uploaded", subject=subject)
    return RedirectResponse("/exchange", 303)


@router.get("/exchange/files/{partner}/{kind}/{number}.xml", response_class=Response)
async def file(partner: str, kind: MessageKind, number: int, _: Clerk, here: ServiceDep) -> Response:
    """A message of ours to be carried by hand."""
    async with here.database.reading() as session:
        return Response((await _message(session, partner, kind, number)).content, media_type=XML)


@router.get("/exchange/files/{partner}/{kind}/{number}.sig", response_class=Response)
async def signature(partner: str, kind: MessageKind, number: int, _: Clerk, here: ServiceDep) -> Response:
    """Its signature, base64."""
    async with here.database.reading() as session:
        row = await _message(session, partner, kind, number)
    return Response(_base64(row.signature), media_type="text/plain")


async def _taken(
    here: Service, files: Files, vault: Vault, key: CentreKey, moment: datetime, content: bytes, signature: bytes
) -> Taken:
    async with here.database.transaction() as session:
        of = await city(session)
        # A package of 10,000 is read for a quarter of a second, in which others are served.
        other, message = await asyncio.to_thread(service.read, sending.exchange_of(of), content, signature)
        return await service.take(
            session,
            vault,
            of,
            key,
            other,
            message,
            content,
            signature,
            paid_here=partial(history.paid_here, session, files),
            now=moment,
        )


def partner_named(of: City, name: str) -> Partner:
    """Raises ``Refused`` 404."""
    found = next((each for each in sending.exchange_of(of).partners if each.participant == name), None)
    if found is None:
        raise Refused(404, "There is no such partner", f"partner is {name}", reason="partner_unknown")
    return found


async def _message(session: AsyncSession, partner: str, kind: MessageKind, number: int) -> MessageRow:
    row = await queries.message(session, Direction.OUT, partner, kind, number)
    if row is None:
        raise Refused(404, "There is no such message", f"{kind} {number} for {partner}", reason="message_unknown")
    return row


def _to_page(request: Request) -> Response | None:
    """Somebody who pressed a button on the page goes back to it."""
    return RedirectResponse("/exchange", 303) if "text/html" in request.headers.get("accept", "") else None


def _base64(signature: bytes) -> str:
    return base64.b64encode(signature).decode()
