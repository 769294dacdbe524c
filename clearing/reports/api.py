"""Reports on prepaid money: a quarter's days, a day's accounts and cards, what moved a figure."""

from __future__ import annotations

import asyncio
from datetime import date, datetime, timedelta

from fastapi import APIRouter, Request, Response
from fastapi.responses import HTMLResponse
from sqlalchemy.ext.asyncio import AsyncSession

from backoffice.problems import Refused
from backoffice.web import Now, ServiceDep, StaffDep
from clearing.files import Files, FilesDep
from clearing.ledger.accounts import TRANSIT, Kind
from clearing.participants.service import city
from clearing.reports import queries
from clearing.reports.last_use import Dormant, LastUses, dormant
from clearing.reports.queries import BusinessDays
from clearing.reports.rendering import HEIGHT, WIDTH, float_chart, quarter_csv
from clearing.reports.requirements import THRESHOLDS, requirements
from clearing.reports.rules import FIGURE_OF, FIGURES, FLOWS, DayReport, Figure, Quarter, QuarterReport, daily
from clearing.settlement.queries import cleared_files
from clearing.settlement.statements import PURPOSES

router = APIRouter(prefix="/reports/prepaid", tags=["reports"])
TRANSFERS_SHOWN = 500
# What a screen is wide enough for; a day's own page has them all.
_COLUMNS = (Figure.FLOAT, Figure.VALUE, Figure.DEPOSITS, Figure.REFUNDS, Figure.AGENTS)
_AGENTS = (Kind.AGENT_PREFUNDED, Kind.AGENT_WITH_LIMIT)


@router.get("", include_in_schema=False, response_class=HTMLResponse)
async def quarter_page(request: Request, _: StaffDep, here: ServiceDep, moment: Now, quarter: str = "") -> Response:
    async with here.database.reading() as session:
        report = await _quarter(session, quarter, moment)
    before = Quarter.of(report.quarter.first - timedelta(days=1))
    return here.page(
        request,
        "reports_prepaid.html",
        report=report,
        before=before,
        chart=float_chart(report.days),
        size=(WIDTH, HEIGHT),
        figures=FIGURES,
        columns=_COLUMNS,
        flows=FLOWS,
        thresholds=THRESHOLDS,
        requirements=requirements(),
    )


@router.get(".csv", response_class=Response)
async def quarter_as_csv(_: StaffDep, here: ServiceDep, moment: Now, quarter: str = "") -> Response:
    """A row for each business day of the quarter (``2026Q3``; by default the present one), fen."""
    async with here.database.reading() as session:
        report = await _quarter(session, quarter, moment)
    return Response(quarter_csv(report), media_type="text/csv; charset=utf-8")


@router.get("/{day}", include_in_schema=False, response_class=HTMLResponse)
async def day_page(
    day: date, request: Request, _: StaffDep, here: ServiceDep, files: FilesDep, moment: Now
) -> Response:
    async with here.database.reading() as session:
        days = await _business_days(session)
        report = await _day(session, days, day, moment)
        standings = await queries.accounts_at(session, days, day)
        overdue = await queries.overdue_refunds(session, days, day)
        names = [file.name for file in await cleared_files(session)]
    cards = await asyncio.to_thread(_dormant, files, names, day)
    agents = [standing for standing in standings if standing.account.kind in _AGENTS]
    return here.page(
        request,
        "report_day.html",
        day=report,
        agents=agents,
        overdue=overdue,
        cards=cards,
        figures=FIGURES,
        figure_of=FIGURE_OF,
        flows=FLOWS,
        quarter=Quarter.of(day),
        book=TRANSIT,
    )


@router.get("/{day}/{figure}", include_in_schema=False, response_class=HTMLResponse)
async def figure_page(
    day: date, figure: Figure, request: Request, _: StaffDep, here: ServiceDep, moment: Now
) -> Response:
    """The accounts a figure sums, and the transfers that moved it that day."""
    kinds = FIGURES[figure].kinds
    async with here.database.reading() as session:
        days = await _business_days(session)
        report = await _day(session, days, day, moment)
        standings = [s for s in await queries.accounts_at(session, days, day) if s.account.kind in kinds]
        transfers = await queries.transfers_of_day(session, days, day, kinds, TRANSFERS_SHOWN)
    return here.page(
        request,
        "report_figure.html",
        day=report,
        figure=figure,
        rule=FIGURES[figure],
        standings=standings,
        transfers=transfers,
        shown=TRANSFERS_SHOWN,
        purposes=PURPOSES,
        book=TRANSIT,
    )


async def _quarter(session: AsyncSession, asked: str, now: datetime) -> QuarterReport:
    """Its days so far. Raises ``Refused``."""
    days = await _business_days(session)
    today = await _today(session, now)
    try:
        quarter = Quarter.parse(asked) if asked else Quarter.of(today)
    except ValueError as error:
        raise Refused(422, "There is no such quarter", str(error), reason="quarter_unknown") from error
    moved = await queries.movements(session, days, quarter.first, min(quarter.last, today))
    return QuarterReport.of(quarter, moved, today=today)


async def _day(session: AsyncSession, days: BusinessDays, day: date, now: datetime) -> DayReport:
    """Raises ``Refused`` 404 for a day that has not begun."""
    today = await _today(session, now)
    if day > today:
        detail = f"day is {day}; the business day is {today}"
        raise Refused(404, "The day has not begun", detail, reason="day_not_begun")
    (report,) = daily(await queries.movements(session, days, day, day), day, day)
    return report


async def _business_days(session: AsyncSession) -> BusinessDays:
    return BusinessDays((await city(session)).rules().calendar.cut_off)


async def _today(session: AsyncSession, now: datetime) -> date:
    return (await city(session)).rules().calendar.business_day(now)


def _dormant(files: Files, names: list[str], day: date) -> Dormant:
    return dormant(LastUses(files.folder / "reports", files.results).through(names), day)
