"""Tariffs and keys over HTTP, each put in force by two persons."""

from __future__ import annotations

import json
from datetime import datetime
from typing import Annotated, Any, TypeVar

from fastapi import APIRouter, Depends, File, Form, Request, Response, UploadFile
from fastapi.responses import RedirectResponse
from pydantic import AwareDatetime, BaseModel, ConfigDict

from backoffice.problems import Refused
from backoffice.staff import Staff
from backoffice.web import Now, Service, ServiceDep, StaffDep, require_role
from clearing.demonstration import DEVICES, SETTLEMENT
from clearing.devices import key_change, publishing
from clearing.devices.answers import CityMoment, KeysDep, Steward, from_a_page
from rulebook.messages.base import Hex

router = APIRouter(tags=["parameters"])
Publisher = Annotated[Staff, Depends(require_role(SETTLEMENT, DEVICES))]
PAGE = "/publishing"


class ReleaseView(BaseModel):
    model_config = ConfigDict(from_attributes=True)

    version: int
    state: str
    sha256: Hex
    effective_from: datetime | None
    proposed_by: str | None
    approved_by: str | None


class KeyView(BaseModel):
    model_config = ConfigDict(from_attributes=True)

    number: int
    public: Hex
    state: str
    proposed_by: str | None
    approved_by: str | None
    since: datetime


class TariffProposal(BaseModel):
    """``document`` is what ``rulebook.tariff`` reads."""

    document: dict[str, Any]
    effective_from: AwareDatetime


V = TypeVar("V", bound=BaseModel)


@router.get("/parameters/tariffs")
async def tariffs(_: StaffDep, here: ServiceDep) -> list[ReleaseView]:
    """Every version, the newest first, with the persons who put it in force."""
    async with here.database.reading() as session:
        return [ReleaseView.model_validate(row) for row in await publishing.release_rows(session)]


@router.post("/parameters/tariffs", status_code=201)
async def propose_tariff(proposal: TariffProposal, staff: Publisher, here: ServiceDep, moment: Now) -> ReleaseView:
    """The first person."""
    return await _proposed(proposal.document, proposal.effective_from, staff, here, moment)


@router.post("/parameters/tariffs/file", status_code=303)
async def propose_tariff_file(
    staff: Publisher,
    here: ServiceDep,
    moment: Now,
    file: Annotated[UploadFile, File()],
    effective_from: Annotated[CityMoment, Form()],
) -> Response:
    """The first person, from the page."""
    try:
        document = json.loads(await file.read())
    except ValueError as error:
        raise Refused(422, "The file is no JSON document", str(error), reason="malformed_tariff") from error
    if not isinstance(document, dict) or effective_from is None:
        raise Refused(422, "A tariff document and a moment are needed", reason="malformed_tariff")
    await _proposed(document, effective_from, staff, here, moment)
    return RedirectResponse("/publishing", 303)


@router.post("/parameters/tariffs/{version}/approval", response_model=ReleaseView)
async def approve_tariff(
    version: int, request: Request, staff: Publisher, here: ServiceDep, moment: Now
) -> ReleaseView | Response:
    """The second person; from now on devices are told of it."""
    async with here.database.transaction() as session:
        row = await publishing.approve(session, version, actor=staff.name, now=moment)
        await here.accounts.record(session, now=moment, actor=staff.name, act="tariff approved", subject=str(version))
        view = ReleaseView.model_validate(row)
    return _answer(request, view)


@router.post("/parameters/tariffs/{version}/withdrawal", response_model=ReleaseView)
async def withdraw_tariff(
    version: int, request: Request, staff: Publisher, here: ServiceDep, moment: Now
) -> ReleaseView | Response:
    async with here.database.transaction() as session:
        row = await publishing.withdraw(session, version, now=moment)
        await here.accounts.record(session, now=moment, actor=staff.name, act="tariff withdrawn", subject=str(version))
        view = ReleaseView.model_validate(row)
    return _answer(request, view)


@router.get("/parameters/keys")
async def keys_known(_: StaffDep, here: ServiceDep) -> list[KeyView]:
    """Every key, the newest first."""
    async with here.database.reading() as session:
        return [KeyView.model_validate(row) for row in await key_change.keys_history(session)]


@router.post("/parameters/keys", status_code=201, response_model=KeyView)
async def propose_key(
    request: Request, staff: Steward, here: ServiceDep, keys: KeysDep, moment: Now
) -> KeyView | Response:
    """The first person: a new key."""
    async with here.database.transaction() as session:
        row = await key_change.propose(session, keys, actor=staff.name, now=moment)
        await here.accounts.record(
            session, now=moment, actor=staff.name, act="parameter key made", subject=str(row.number)
        )
        view = KeyView.model_validate(row)
    return _answer(request, view)


@router.post("/parameters/keys/{number}/approval", response_model=KeyView)
async def approve_key(
    number: int, request: Request, staff: Steward, here: ServiceDep, moment: Now
) -> KeyView | Response:
    """The second person: every statement announces it from now on."""
    async with here.database.transaction() as session:
        row = await key_change.approve(session, number, actor=staff.name, now=moment)
        await here.accounts.record(
            session, now=moment, actor=staff.name, act="parameter key approved", subject=str(number)
        )
        view = KeyView.model_validate(row)
    return _answer(request, view)


@router.post("/parameters/keys/{number}/withdrawal", response_model=KeyView)
async def withdraw_key(
    number: int, request: Request, staff: Steward, here: ServiceDep, moment: Now
) -> KeyView | Response:
    async with here.database.transaction() as session:
        row = await key_change.withdraw(session, number)
        await here.accounts.record(
            session, now=moment, actor=staff.name, act="parameter key withdrawn", subject=str(number)
        )
        view = KeyView.model_validate(row)
    return _answer(request, view)


@router.post("/parameters/keys/{number}/signing", response_model=KeyView)
async def let_sign(number: int, request: Request, staff: Steward, here: ServiceDep, moment: Now) -> KeyView | Response:
    """It signs from now on; refused while a device does not know it."""
    async with here.database.transaction() as session:
        row = await key_change.let_sign(session, number, now=moment)
        await here.accounts.record(
            session, now=moment, actor=staff.name, act="parameter key signs", subject=str(number)
        )
        view = KeyView.model_validate(row)
    return _answer(request, view)


async def _proposed(
    document: dict[str, Any], effective_from: datetime, staff: Staff, here: Service, moment: datetime
) -> ReleaseView:
    async with here.database.transaction() as session:
        row = await publishing.propose(session, document, effective_from, actor=staff.name, now=moment)
        await here.accounts.record(
            session, now=moment, actor=staff.name, act="tariff proposed", subject=str(row.version)
        )
        return ReleaseView.model_validate(row)


def _answer(request: Request, view: V) -> V | Response:
    return RedirectResponse(PAGE, 303) if from_a_page(request) else view
