"""HTTP of applications."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

from fastapi import APIRouter
from pydantic import AfterValidator, Field

from backoffice.staff import Staff
from backoffice.web import Now, Service, ServiceDep
from issuing.applications.rules import ApplicationEvent
from issuing.applications.service import Application, apply, decide
from issuing.web import Approver, Clerk, VaultDep
from rulebook.messages.base import Message
from rulebook.numbers.citizen_id import BadCitizenId, CitizenId

router = APIRouter(prefix="/applications", tags=["applications"])


def _no_citizen_id(value: str) -> str:
    try:
        CitizenId.parse(value)
    except BadCitizenId:
        return value
    raise ValueError(
        "is a citizen id; applications are named in lists and in the audit trail, so number them otherwise"
    )


class ApplicationRequest(Message):
    """``application``: the id, made by whoever asks, at most 40 of letters, digits and ``. _ : -``; no citizen id."""

    application: Annotated[str, Field(pattern=r"^[A-Za-z0-9._:-]{1,40}$"), AfterValidator(_no_citizen_id)]
    citizen_id: str
    product: str = "citizen"


class ApplicationBatch(Message):
    applications: list[ApplicationRequest] = Field(min_length=1)


class Applications(Message):
    """Ids of applications."""

    applications: list[str] = Field(min_length=1)


class Count(Message):
    """How many were new or changed."""

    count: int


@router.post("", status_code=201)
async def post_application(
    body: ApplicationRequest, here: ServiceDep, staff: Clerk, vault: VaultDep, now: Now
) -> Count:
    """One application."""
    return await post_batch(ApplicationBatch(applications=[body]), here, staff, vault, now)


@router.post("/batch", status_code=201)
async def post_batch(body: ApplicationBatch, here: ServiceDep, staff: Clerk, vault: VaultDep, now: Now) -> Count:
    """Many, taken whole or refused with every fault."""
    requests = [Application(item.application, item.citizen_id, item.product) for item in body.applications]
    async with here.database.transaction() as session:
        count = await apply(session, vault, requests, by=staff.name, now=now)
        await here.accounts.record(
            session, now=now, actor=staff.name, act="applied", subject=_subject(body.applications), count=count
        )
    return Count(count=count)


def _subject(items: list[ApplicationRequest]) -> str:
    return items[0].application if len(items) == 1 else f"{items[0].application} to {items[-1].application}"


@router.post("/approvals")
async def post_approvals(body: Applications, here: ServiceDep, staff: Approver, now: Now) -> Count:
    """Approve all of them or none; nobody approves what he applied for."""
    return await _decide(here, body.applications, ApplicationEvent.APPROVE, staff, now)


@router.post("/{application}/approval")
async def post_approval(application: str, here: ServiceDep, staff: Approver, now: Now) -> Count:
    """Approve one."""
    return await _decide(here, [application], ApplicationEvent.APPROVE, staff, now)


@router.post("/{application}/refusal")
async def post_refusal(application: str, here: ServiceDep, staff: Approver, now: Now) -> Count:
    """Refuse one."""
    return await _decide(here, [application], ApplicationEvent.REFUSE, staff, now)


async def _decide(
    here: Service, applications: list[str], event: ApplicationEvent, staff: Staff, now: datetime
) -> Count:
    async with here.database.transaction() as session:
        await decide(session, applications, event, by=staff.name, now=now)
        for application in applications:
            await here.accounts.record(
                session, now=now, actor=staff.name, act=f"application: {event}", subject=application
            )
    return Count(count=len(applications))
