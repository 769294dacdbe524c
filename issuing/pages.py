"""Read-only console pages. Looking at persons is an act: it is recorded."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from fastapi import APIRouter, Query, Request
from fastapi.responses import HTMLResponse
from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncSession

from backoffice.web import Now, Page, ServiceDep, StaffDep
from hardware.vault.vault import Vault
from issuing.applications.tables import ApplicationRow
from issuing.card_register import service as cards
from issuing.card_register.tables import CardRow
from issuing.feed.tables import OutboxHeadRow
from issuing.personalisation.agreement import disagreements
from issuing.register import queries as register
from issuing.register.service import open_entry
from issuing.sams import service as sams
from issuing.sams.tables import SamRow
from issuing.stock import service as stock
from issuing.stock.tables import StockMoveRow
from issuing.web import VaultDep
from rulebook.numbers.card_number import masked_pan
from rulebook.numbers.citizen_id import masked

router = APIRouter(include_in_schema=False, default_response_class=HTMLResponse)
PAGE_SIZE = 50

NAVIGATION = (
    Page("/", "概览", "Overview"),
    Page("/cards", "卡片", "Cards"),
    Page("/applications", "申请", "Applications"),
    Page("/sams", "安全模块", "SAMs"),
    Page("/stock-room", "库存", "Stock"),
    Page("/audit", "审计", "Audit trail"),
)
Number = Annotated[int, Query(ge=1)]


@dataclass(frozen=True, slots=True)
class Holder:
    """A person as a list may show one."""

    name: str
    citizen_id: str


def masked_name(name: str) -> str:
    """The family name's first character; a one-character name is hidden whole."""
    return name[:1] + "*" * (len(name) - 1) if len(name) > 1 else "*"


async def holders(session: AsyncSession, vault: Vault, persons: list[str]) -> dict[str, Holder]:
    """Masked holders by token."""
    rows = await register.newest(session, persons)
    found = {}
    for person, row in rows.items():
        entry = open_entry(vault, row)
        found[person] = Holder(masked_name(entry.name), masked(entry.citizen.number))
    return found


@router.get("/")
async def overview(request: Request, here: ServiceDep, _: StaffDep) -> HTMLResponse:
    async with here.database.reading() as session:
        return here.page(
            request,
            "overview.html",
            persons=await register.count_persons(session),
            cards=await cards.counts(session),
            sams=await sams.counts(session),
            stock=await stock.counts(session),
            applications=await _application_counts(session),
            disagreements=await disagreements(session),
            feed=await session.scalar(select(OutboxHeadRow.last)) or 0,
        )


async def _application_counts(session: AsyncSession) -> dict[str, int]:
    grouped = select(ApplicationRow.state, func.count()).group_by(ApplicationRow.state)
    return {state: count for state, count in await session.execute(grouped)}  # noqa: C416 (rows, not pairs)


@router.get("/cards")
async def card_page(
    request: Request, here: ServiceDep, staff: StaffDep, vault: VaultDep, now: Now, page: Number = 1
) -> HTMLResponse:
    wanted = select(CardRow).order_by(CardRow.serial).offset((page - 1) * PAGE_SIZE).limit(PAGE_SIZE)
    async with here.database.transaction() as session:
        rows = (await session.scalars(wanted)).all()
        people = await holders(session, vault, [row.person for row in rows])
        if rows:
            shown = f"{masked_pan(rows[0].serial)} to {masked_pan(rows[-1].serial)}"
            await here.accounts.record(
                session, now=now, actor=staff.name, act="looked at card holders", subject=shown, count=len(rows)
            )
    pans = {row.serial: masked_pan(row.serial) for row in rows}
    return here.page(request, "cards.html", rows=rows, people=people, pans=pans, page=page, size=PAGE_SIZE)


@router.get("/applications")
async def application_page(
    request: Request, here: ServiceDep, staff: StaffDep, vault: VaultDep, now: Now, page: Number = 1
) -> HTMLResponse:
    order = ApplicationRow.arrival.desc()
    wanted = select(ApplicationRow).order_by(order).offset((page - 1) * PAGE_SIZE).limit(PAGE_SIZE)
    async with here.database.transaction() as session:
        rows = (await session.scalars(wanted)).all()
        people = await holders(session, vault, [row.person for row in rows])
        if rows:
            shown = f"{rows[-1].application} to {rows[0].application}"
            await here.accounts.record(
                session, now=now, actor=staff.name, act="looked at applicants", subject=shown, count=len(rows)
            )
    return here.page(request, "applications.html", rows=rows, people=people, page=page, size=PAGE_SIZE)


@router.get("/sams")
async def sam_page(request: Request, here: ServiceDep, _: StaffDep) -> HTMLResponse:
    async with here.database.reading() as session:
        rows = (await session.scalars(select(SamRow).order_by(SamRow.sam_serial))).all()
    return here.page(request, "sams.html", rows=rows)


@router.get("/stock-room")
async def stock_page(request: Request, here: ServiceDep, _: StaffDep) -> HTMLResponse:
    newest = select(StockMoveRow).order_by(StockMoveRow.number.desc()).limit(PAGE_SIZE)
    async with here.database.reading() as session:
        counts = await stock.counts(session)
        moves = (await session.scalars(newest)).all()
    return here.page(request, "stock.html", counts=sorted(counts.items()), moves=moves)


@router.get("/audit")
async def audit_page(request: Request, here: ServiceDep, _: StaffDep) -> HTMLResponse:
    async with here.database.reading() as session:
        rows = await here.accounts.trail(session)
    return here.page(request, "audit.html", rows=rows)
