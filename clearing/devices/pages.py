"""Pages for those who keep the devices running and publish what they work by."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, Request, Response
from fastapi.responses import HTMLResponse
from sqlalchemy.ext.asyncio import AsyncSession

from backoffice.problems import Refused
from backoffice.web import Now, ServiceDep, StaffDep
from clearing.devices.fleet import Member, fleet
from clearing.devices.health import LIMITS, SAM_WORDS, WORDS, Health, counted, sam_warning, unsent
from clearing.devices.key_change import keys_history
from clearing.devices.life import TWO_PERSONS, DeviceEvent, possible
from clearing.devices.parts import list_version
from clearing.devices.publishing import release_rows, releases
from clearing.devices.queries import known_devices, steps
from clearing.devices.releases import NOTICE, coming, in_force
from clearing.participants.service import city

router = APIRouter(include_in_schema=False, default_response_class=HTMLResponse)
# A screen's worth; whoever wants the others chooses operator, line or state.
SHOWN = 500


@router.get("/devices")
async def device_list(
    request: Request,
    _: StaffDep,
    here: ServiceDep,
    moment: Now,
    operator: str = "",
    line: str | None = None,
    health: Health | None = None,
) -> Response:
    """``line`` may be empty: desks have none."""
    async with here.database.reading() as session:
        members = await fleet(session, now=moment)
        names = await _names(session)
    chosen = [m for m in members if _matches(m, operator, line, health)]
    gravest = [(m.row.operator, m.row.line, m.findings[0]) for m in members]
    context: dict[str, Any] = {
        "counts": counted(gravest),
        "totals": {state: sum(one is state for _, _, one in gravest) for state in Health},
        "problems": sorted((m for m in chosen if m.has_problem), key=_gravity)[:SHOWN],
        "members": chosen[:SHOWN],
        "chosen": len(chosen),
        "filtered": bool(operator or line is not None or health),
    }
    return here.page(request, "devices.html", words=WORDS, names=names, unsent=unsent, **context)


@router.get("/devices/{device}")
async def device_page(device: str, request: Request, staff: StaffDep, here: ServiceDep, moment: Now) -> Response:
    async with here.database.reading() as session:
        found = await fleet(session, now=moment, device=device)
        if not found:
            raise Refused(404, "There is no such device", f"device is {device!r}", reason="device_unknown")
        member = found[0]
        context: dict[str, Any] = {
            "names": await _names(session),
            "steps": await steps(session, device),
            "absences": known.absences if (known := (await known_devices(session)).get(device)) else (),
        }
    can = possible(member.known.state)
    return here.page(
        request,
        "device.html",
        member=member,
        staff=staff,
        words=WORDS,
        sam_words=SAM_WORDS,
        warning=sam_warning(member.known.state, member.known.sam),
        limits=LIMITS[member.known.kind],
        unsent=unsent(member.known),
        can_be_lost=DeviceEvent.LOSE in can,
        to_propose=[event for event in can if event in TWO_PERSONS],
        **context,
    )


@router.get("/publishing")
async def publishing(request: Request, staff: StaffDep, here: ServiceDep, moment: Now) -> Response:
    async with here.database.reading() as session:
        published = await releases(session)
        context: dict[str, Any] = {
            "rows": await release_rows(session),
            "now": in_force(published, moment),
            "next": coming(published, moment),
            "list_version": await list_version(session),
            "keys": await keys_history(session),
        }
    return here.page(request, "publishing.html", staff=staff, notice=NOTICE, **context)


def _matches(member: Member, operator: str, line: str | None, health: Health | None) -> bool:
    return (
        operator in ("", member.row.operator)
        and line in (None, member.row.line)
        and (health is None or health in member.findings)
    )


def _gravity(member: Member) -> tuple[int, str]:
    return list(Health).index(member.findings[0]), member.row.device


async def _names(session: AsyncSession) -> dict[str, str]:
    return {p.id: f"{p.zh} {p.en}" for p in (await city(session)).participants}
