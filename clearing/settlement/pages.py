"""The console: read-only, but for the close."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from fastapi import APIRouter, Request, Response
from fastapi.responses import HTMLResponse
from sqlalchemy.ext.asyncio import AsyncSession

from backoffice.web import Now, ServiceDep, StaffDep
from clearing.devices.queries import devices
from clearing.facts.queries import feed_position
from clearing.intake import queries as intake
from clearing.ledger import queries as ledger
from clearing.ledger.accounts import TRANSIT, Kind, code
from clearing.ledger.lines import lines_now
from clearing.loads.queries import open_loads
from clearing.loads.rules import open_item
from clearing.participants.service import city, newest_tariff
from clearing.settlement import queries
from clearing.settlement.api import existing
from clearing.settlement.charts import net_bars, record_parts
from clearing.settlement.model import WindowState
from clearing.settlement.open_taps import open_taps
from clearing.settlement.queries import WindowLine
from clearing.settlement.running import Running, RunningDep
from clearing.settlement.statements import PURPOSES
from clearing.settlement.tables import WindowRow
from clearing.settlement.views import WindowView, window_view
from clearing.settlement.waiting import calendar_ending, waiting
from clearing.verification.reasons import RULES
from rulebook.calendar import BUSINESS_ZONE

router = APIRouter(include_in_schema=False, default_response_class=HTMLResponse)
SHOWN = 500


@dataclass(frozen=True, slots=True)
class _Shown:
    """The window somebody looks at: the one asked for, else the newest that anything has come into."""

    row: WindowRow
    view: WindowView


@router.get("/")
async def overview(request: Request, staff: StaffDep, here: ServiceDep, running: RunningDep, moment: Now) -> Response:
    async with here.database.reading() as session:
        shown = await _shown(session, running, None, moment)
        calendar = (await city(session)).rules().calendar
        context: dict[str, Any] = {
            "names": await _names(session),
            "feed": await feed_position(session),
            "tariff": (await newest_tariff(session)).version,
            "devices": len(await devices(session)),
            "gaps": await intake.open_gaps(session),
            "loads": len(await open_loads(session)),
            "waiting": [*await waiting(session), *calendar_ending(calendar, moment.astimezone(BUSINESS_ZONE).date())],
        }
    return here.page(
        request, "overview.html", window=shown.row, view=shown.view, **_pictures(shown.view), **context, staff=staff
    )


@router.get("/batches")
async def batches(
    request: Request, _: StaffDep, here: ServiceDep, window: int | None = None, device: str = ""
) -> Response:
    async with here.database.reading() as session:
        context: dict[str, Any] = {
            "batches": await intake.newest_batches(session, SHOWN, window=window, device=device),
            "gaps": await intake.open_gaps(session),
            "conflicts": await intake.conflicts(session),
        }
    return here.page(request, "batches.html", shown=SHOWN, window=window, device=device, **context)


@router.get("/exceptions")
async def exceptions(
    request: Request,
    _: StaffDep,
    here: ServiceDep,
    running: RunningDep,
    moment: Now,
    window: int | None = None,
    reason: str = "",
) -> Response:
    async with here.database.reading() as session:
        shown = await _shown(session, running, window, moment)
        names = await _names(session)
    chosen = [found for found in shown.view.exceptions if reason in ("", found.reason)]
    return here.page(
        request,
        "exceptions.html",
        window=shown.row,
        view=shown.view,
        exceptions=chosen[:SHOWN],
        chosen=len(chosen),
        totals=Counter((found.status, found.reason) for found in shown.view.exceptions),
        remarks=shown.view.remarks[:SHOWN],
        rules=RULES,
        reason=reason,
        names=names,
    )


@router.get("/accounts")
async def accounts(request: Request, _: StaffDep, here: ServiceDep) -> Response:
    async with here.database.reading() as session:
        keepers = (await city(session)).keepers
        books = {book: await lines_now(session, book) for book in sorted(keepers)}
        names = await _names(session)
    return here.page(request, "accounts.html", books=books, names=names)


@router.get("/accounts/{book}/{code}")
async def account(request: Request, book: str, code: str, _: StaffDep, here: ServiceDep) -> Response:
    async with here.database.reading() as session:
        standing = await ledger.standing(session, book, code)
        transfers = await ledger.newest_transfers_of(session, book, code, SHOWN)
        names = await _names(session)
    status = 200 if standing else 404
    return here.page(
        request,
        "account.html",
        status,
        book=book,
        code=code,
        standing=standing,
        transfers=transfers,
        purposes=PURPOSES,
        names=names,
        shown=SHOWN,
    )


@router.get("/windows")
async def windows(request: Request, _: StaffDep, here: ServiceDep) -> Response:
    async with here.database.reading() as session:
        rows = await queries.windows(session)
    return here.page(request, "windows.html", windows=rows)


@router.get("/windows/{number}/close")
async def close(
    request: Request, number: int, staff: StaffDep, here: ServiceDep, running: RunningDep, moment: Now
) -> Response:
    async with here.database.reading() as session:
        row = await existing(session, number)
        view = await _view(session, running, row, moment)
        names = await _names(session)
    return here.page(request, "close.html", window=row, view=view, names=names, staff=staff, **_pictures(view))


@router.get("/loads")
async def loads(request: Request, _: StaffDep, here: ServiceDep, moment: Now) -> Response:
    """By agent until the declared number of days has passed, then by the book's keeper."""
    async with here.database.reading() as session:
        rows = await open_loads(session)
        of, names = await city(session), await _names(session)
    days = of.policy.open_load_days
    items = [open_item(load, attempt, now=moment, case_after_days=days) for load, attempt in rows]
    keeper = of.keepers[TRANSIT]
    return here.page(request, "loads.html", items=items, names=names, keeper=keeper, case_after_days=days)


@router.get("/open-taps")
async def open_tap_list(request: Request, _: StaffDep, here: ServiceDep) -> Response:
    async with here.database.reading() as session:
        taps = await open_taps(session)
        standing = await ledger.standing(session, TRANSIT, code(Kind.OPEN_TAPS))
    balance = standing.balance.minor if standing else 0
    total = sum(tap.amount_minor for tap in taps)
    return here.page(request, "open_taps.html", taps=taps, balance=balance, total=total, rules=RULES)


async def _shown(session: AsyncSession, running: Running, number: int | None, moment: Now) -> _Shown:
    row = await existing(session, _newest(await queries.windows(session)).number if number is None else number)
    return _Shown(row, await _view(session, running, row, moment))


async def _view(session: AsyncSession, running: Running, row: WindowRow, now: datetime) -> WindowView:
    result = await running.result_of(session, row, now=now)
    return await window_view(session, row, result, running.runs.steps.get(row.number))


def _pictures(view: WindowView) -> dict[str, Any]:
    return {"bars": net_bars(view.positions), "parts": record_parts(view.counts)}


def _newest(rows: Sequence[WindowLine]) -> WindowLine:
    """The last one that has closed or is closing, or the first open one."""
    frozen = [row for row in rows if row.state != WindowState.OPEN]
    return frozen[-1] if frozen else rows[-1]


async def _names(session: AsyncSession) -> dict[str, str]:
    return {p.id: f"{p.zh} {p.en}" for p in (await city(session)).participants}
