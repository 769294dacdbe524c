"""Closing a window and reading its result over HTTP."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import Annotated

import structlog
from fastapi import APIRouter, BackgroundTasks, Depends, Request, Response
from fastapi.responses import RedirectResponse
from sqlalchemy.ext.asyncio import AsyncSession

from backoffice.problems import Refused
from backoffice.staff import Staff
from backoffice.web import Now, Service, ServiceDep, StaffDep, require_role
from clearing.cases.open_taps import follow_open_taps
from clearing.demonstration import SETTLEMENT
from clearing.exchange.unanswered import follow_answers
from clearing.files import FilesDep
from clearing.gaps.service import follow_window, used_by_cards
from clearing.history.service import fold_closed
from clearing.keys import VaultDep
from clearing.participants.service import city
from clearing.settlement import queries, service
from clearing.settlement.encoding import decode, encode
from clearing.settlement.model import WindowResult
from clearing.settlement.running import Running, RunningDep
from clearing.settlement.statements import DAY_HEADER, NATURES, PURPOSES, day_csv, day_rows, statement, statement_csv
from clearing.settlement.tables import WindowRow
from clearing.settlement.views import WindowView, window_view

log = structlog.get_logger()
router = APIRouter(tags=["settlement"])
Closer = Annotated[Staff, Depends(require_role(SETTLEMENT))]


@router.post("/windows/{number}/closing", response_model=WindowView)
async def closing(
    number: int,
    request: Request,
    staff: Closer,
    here: ServiceDep,
    vault: VaultDep,
    files: FilesDep,
    running: RunningDep,
    moment: Now,
) -> WindowView | Response:
    """The first person freezes the window, and its result is computed. What breaks off is gone on with by the same again."""
    async with here.database.transaction() as session:
        manifest = await service.freeze(session, vault, files, number, actor=staff.name, now=moment)
        await here.accounts.record(
            session, now=moment, actor=staff.name, act="window closing proposed", subject=str(number)
        )
    result = await running.result(number, manifest)
    async with here.database.transaction() as session:
        row = await service.propose(session, number, manifest, result)
        view = await window_view(session, row, result)
    return _answer(request, view)


@router.post("/windows/{number}/approval", response_model=WindowView)
async def approval(
    number: int,
    request: Request,
    staff: Closer,
    here: ServiceDep,
    running: RunningDep,
    moment: Now,
    afterwards: BackgroundTasks,
) -> WindowView | Response:
    """The second person closes it. What cards' histories are found by is made after the answer."""
    async with here.database.reading() as session:
        waiting = await existing(session, number)
        proposed = decode(waiting.result) if waiting.result is not None else None
        used = await used_by_cards(session, proposed, running.files.results) if proposed is not None else {}
    async with here.database.transaction() as session:
        row = await service.approve(session, number, actor=staff.name, now=moment)
        await follow_open_taps(session, now=moment)
        found = await _there(session, running, number, moment)
        if found != proposed:  # withdrawn meanwhile, and proposed anew
            used = await used_by_cards(session, found, running.files.results)
        await follow_window(session, found, used, now=moment)
        await follow_answers(session, now=moment)
        await here.accounts.record(
            session, now=moment, actor=staff.name, act="window closing approved", subject=str(number)
        )
        view = await window_view(session, row, found)
    if row.manifest is not None:
        running.forget(number, row.manifest)
    afterwards.add_task(_fold, here, running.files.results)
    return _answer(request, view)


async def _fold(here: Service, results: Path) -> None:
    """Nothing depends on it but speed; what is missing is made after the next close."""
    try:
        async with here.database.reading() as session:
            await fold_closed(session, results)
    except Exception as error:
        log.warning("card histories not folded", error=type(error).__name__, detail=str(error))


@router.post("/windows/{number}/withdrawal", response_model=WindowView)
async def withdrawal(
    number: int, request: Request, staff: Closer, here: ServiceDep, running: RunningDep, moment: Now
) -> WindowView | Response:
    """Either of the two takes the proposal back before it is approved."""
    async with here.database.transaction() as session:
        manifest = (await existing(session, number)).manifest
        row = await service.withdraw(session, number)
        await here.accounts.record(
            session, now=moment, actor=staff.name, act="window closing withdrawn", subject=str(number)
        )
        view = await window_view(session, row, await running.result_of(session, row, now=moment))
    if manifest is not None:
        running.forget(number, manifest)
    return _answer(request, view)


@router.get("/windows/{number}")
async def window(number: int, _: StaffDep, here: ServiceDep, running: RunningDep, moment: Now) -> WindowView:
    async with here.database.reading() as session:
        row = await existing(session, number)
        found = await running.result_of(session, row, now=moment)
        return await window_view(session, row, found, running.runs.steps.get(number))


@router.get("/windows/{number}/result", response_class=Response)
async def result(number: int, _: StaffDep, here: ServiceDep, running: RunningDep, moment: Now) -> Response:
    """The result's canonical bytes."""
    async with here.database.reading() as session:
        found = await _there(session, running, number, moment)
    return Response(encode(found), media_type="application/json")


@router.get("/windows/{number}/statement.csv", response_class=Response)
async def statement_as_csv(
    number: int,
    _: StaffDep,
    here: ServiceDep,
    running: RunningDep,
    moment: Now,
    participant: str = "",
    book: str = "",
) -> Response:
    """A participant's statement in one book; without them the whole window, participant by participant."""
    async with here.database.reading() as session:
        found = await _there(session, running, number, moment)
        of = await city(session)
    if not participant:
        body = day_csv(found, {p.id: p for p in of.participants})
    else:
        keeper = _keeper(of.keepers, book)
        body = statement_csv(statement(found, participant=participant, book=book, keeper=keeper))
    return Response(body, media_type="text/csv; charset=utf-8")


@router.get("/windows/{number}/statement", response_class=Response)
async def statement_as_page(
    number: int,
    request: Request,
    _: StaffDep,
    here: ServiceDep,
    running: RunningDep,
    moment: Now,
    participant: str = "",
    book: str = "",
) -> Response:
    """The same, to read and print."""
    async with here.database.reading() as session:
        row = await existing(session, number)
        found = await _there(session, running, number, moment)
        of = await city(session)
    names = {p.id: p for p in of.participants}
    if not participant:
        return here.page(request, "day_statement.html", window=row, header=DAY_HEADER, rows=day_rows(found, names))
    made = statement(found, participant=participant, book=book, keeper=_keeper(of.keepers, book))
    return here.page(
        request,
        "statement.html",
        window=row,
        statement=made,
        participant=names.get(participant),
        names={id_: f"{of_it.zh} {of_it.en}" for id_, of_it in names.items()},
        purposes=PURPOSES,
        natures=NATURES,
    )


async def existing(session: AsyncSession, number: int) -> WindowRow:
    """Raises ``Refused`` 404."""
    row = await queries.window(session, number)
    if row is None:
        raise Refused(404, "There is no such window", f"window is {number}", reason="window_unknown")
    return row


async def _there(session: AsyncSession, running: Running, number: int, now: datetime) -> WindowResult:
    """Raises ``Refused`` 409 while there is no result to look at."""
    found = await running.result_of(session, await existing(session, number), now=now)
    if found is None:
        detail = (
            f"the result of window {number} is not computed; close the window, or wait until the one before is done"
        )
        raise Refused(409, "There is no result yet", detail, reason="result_not_computed")
    return found


def _keeper(keepers: dict[str, str], book: str) -> str:
    if book not in keepers:
        raise Refused(404, "There is no such book", f"book is {book!r}; there are {', '.join(sorted(keepers))}")
    return keepers[book]


def _answer(request: Request, view: WindowView) -> WindowView | Response:
    """Somebody who pressed a button on the page goes back to the page."""
    if "text/html" in request.headers.get("accept", ""):
        return RedirectResponse(f"/windows/{view.number}/close", 303)
    return view
