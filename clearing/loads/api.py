"""Loads over HTTP. A refusal is answered after the commit: it may have disproved an earlier load."""

from __future__ import annotations

from fastapi import APIRouter

from backoffice.problems import Refused
from backoffice.web import Now, ServiceDep
from clearing.devices.identity import DeviceDep
from clearing.keys import VaultDep
from clearing.loads import service
from clearing.loads.service import ConfirmationRefused, LoadRefused, MalformedRequest
from clearing.loads.together import LoadsDep
from clearing.verification.context import KnownDevice
from rulebook.messages.devices import DeviceKind
from rulebook.messages.loads import (
    ConfirmationRefusal,
    LoadAuthorised,
    LoadConfirmation,
    LoadQuestion,
    LoadRefusal,
    LoadRequest,
    LoadStanding,
)

router = APIRouter(prefix="/loads", tags=["loads"])

LOAD_EXPLANATIONS: dict[LoadRefusal, str] = {
    LoadRefusal.CARD_UNKNOWN: "the feed has not told of this card; pull the feed, or it is not ours",
    LoadRefusal.CARD_NOT_ACTIVE: "the card is not active today by the card register",
    LoadRefusal.CARD_DENIED: "the card is on the deny list",
    LoadRefusal.MAC1_WRONG: "MAC1 is not this card's over balance, amount and terminal; initialise again",
    LoadRefusal.AMOUNT_NOT_POSITIVE: "the amount must be above zero",
    LoadRefusal.PURSE_LIMIT_PASSED: "balance and amount together pass the product's purse limit; load less",
    LoadRefusal.REPEATED_WITH_OTHER_CONTENT: "this INITIALIZE was used before, or the card has loaded since; begin anew",
    LoadRefusal.EARLIER_LOAD_OPEN: "the card's load before this one is open; prove it first (GET TRANSACTION PROVE)",
    LoadRefusal.AGENT_WITHOUT_COVER: "the agent's prepaid money or limit does not cover the amount",
}
CONFIRMATION_EXPLANATIONS: dict[ConfirmationRefusal, str] = {
    ConfirmationRefusal.LOAD_UNKNOWN: "no load was authorised under this card and on-line sequence",
    ConfirmationRefusal.TAC_WRONG: "the TAC proves none of the loads authorised under this card and on-line sequence",
    ConfirmationRefusal.AGENT_WITHOUT_COVER: "the load had been voided and its agent cannot cover it any more; a case",
}
_NOT_FOUND = {LoadRefusal.CARD_UNKNOWN, ConfirmationRefusal.LOAD_UNKNOWN}


@router.post("")
async def authorise(request: LoadRequest, device: DeviceDep, loads: LoadsDep, moment: Now) -> LoadAuthorised:
    _check_desk(request, device)
    try:
        answer = await loads.authorise(request, agent=device.operator, now=moment)
    except MalformedRequest as error:
        raise _malformed(error.faults) from error
    if isinstance(answer, LoadRefused):
        raise _problem("The load is not authorised", answer.reason, LOAD_EXPLANATIONS[answer.reason])
    return answer


@router.post("/confirmations")
async def confirm(
    confirmation: LoadConfirmation, _: DeviceDep, here: ServiceDep, vault: VaultDep, moment: Now
) -> LoadStanding:
    async with here.database.transaction() as session:
        answer = await service.confirm(session, vault, confirmation, now=moment)
    return _standing(answer)


@router.post("/standings")
async def standing(question: LoadQuestion, _: DeviceDep, here: ServiceDep) -> LoadStanding:
    async with here.database.reading() as session:
        answer = await service.standing(session, question)
    return _standing(answer)


def _check_desk(request: LoadRequest, device: KnownDevice) -> None:
    if device.kind is not DeviceKind.TOPUP:
        raise Refused(403, "Only a top-up desk loads cards", f"{device.device} is a {device.kind}", reason="not_a_desk")
    wrong = [
        (name, f"is not the desk's own, {own}")
        for name, given, own in (
            ("device", request.device, device.device),
            ("terminal", request.terminal.hex().upper(), device.terminal_number.hex().upper()),
        )
        if given != own
    ]
    if wrong:
        raise _malformed(wrong)


def _malformed(faults: list[tuple[str, str]] | tuple[tuple[str, str], ...]) -> Refused:
    errors = [{"field": name, "message": what} for name, what in faults]
    return Refused(422, "The request has wrong fields", errors=errors, reason="invalid_fields")


def _standing(answer: LoadStanding | ConfirmationRefused) -> LoadStanding:
    if isinstance(answer, ConfirmationRefused):
        raise _problem("The load is not posted", answer.reason, CONFIRMATION_EXPLANATIONS[answer.reason])
    return answer


def _problem(title: str, reason: LoadRefusal | ConfirmationRefusal, explanation: str) -> Refused:
    return Refused(404 if reason in _NOT_FOUND else 409, title, explanation, reason=reason)
