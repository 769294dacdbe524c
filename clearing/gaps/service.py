"""Following gaps: after each close what came and what is newly missing, and by the timer what came since, and the deadlines."""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Mapping
from datetime import datetime
from pathlib import Path

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from clearing.cases.rules import CaseKind, CaseState
from clearing.cases.service import close_vanished, open_cases
from clearing.cases.tables import CaseRow
from clearing.exchange.queries import sequences_elsewhere
from clearing.gaps import queries
from clearing.gaps.rules import Came, Followed, FollowedGap, GapKind, GapState, followed, opened, subject_of
from clearing.ledger.accounts import TRANSIT
from clearing.participants.service import city
from clearing.settlement.model import WindowResult
from rulebook.calendar import BUSINESS_ZONE

ACTOR = "clearing"


async def used_by_cards(session: AsyncSession, result: WindowResult, results: Path) -> Came:
    """What a window's cleared records name of the cards whose gaps are open. Seconds for a big city's day: read it before
    anything is locked. ``results``: the folder of its cleared records."""
    open_ = await queries.gaps(session, GapState.OPEN)
    files = [results / file.name for file in result.cleared]
    serials = {gap.subject for gap in open_.values() if gap.kind is GapKind.CARD}
    cards = await asyncio.to_thread(queries.card_sequences, files, serials)
    return {(GapKind.CARD, serial): used for serial, used in cards.items()}


async def follow_window(session: AsyncSession, result: WindowResult, used: Came, *, now: datetime) -> None:
    """After a window has closed, once. ``used``: by cards, in it."""
    await _move(session, await queries.gaps(session, GapState.OPEN), used, now=now)
    of = await city(session)
    known = await queries.gaps(session, GapState.OPEN, GapState.EXPLAINED)
    new = opened(
        result.remarks,
        known.values(),
        window=result.number,
        keeper=of.keepers[TRANSIT],
        calendar=of.rules().calendar,
        today=now.astimezone(BUSINESS_ZONE).date(),
    )
    await queries.store(session, new)
    await follow_deadlines(session, now=now)


async def follow_deadlines(session: AsyncSession, *, now: datetime) -> list[str]:
    """Journals that have come, and rides of which another city has told, close their gaps; a gap past its deadline is a case,
    one that two people have explained is over. May be called at any time; the ids of new cases."""
    await _end_explained(session, now=now)
    open_ = await queries.gaps(session, GapState.OPEN)
    overdue = (await _move(session, open_, await _came(session, open_.values()), now=now)).overdue
    # Overdue or not: ``now`` may be of a day before the one on which the case was opened.
    left = {gap.case for gap in (await queries.gaps(session, GapState.OPEN)).values()}
    await close_vanished(session, CaseKind.GAP, left, actor=ACTOR, now=now)
    cases = {gap.case: subject_of(gap) for gap in overdue}
    calendar = (await city(session)).rules().calendar
    return await open_cases(session, cases.values(), calendar=calendar, actor=ACTOR, now=now)


async def _came(session: AsyncSession, open_: Collection[FollowedGap]) -> Came:
    """All but what cleared files say, which is looked at once, after their window's close."""
    of: dict[GapKind, set[str]] = {kind: {gap.subject for gap in open_ if gap.kind is kind} for kind in GapKind}
    journals = await queries.journals(session, of[GapKind.JOURNAL])
    elsewhere = await sequences_elsewhere(session, of[GapKind.CARD])
    return {
        **{(GapKind.JOURNAL, device): ranges for device, ranges in journals.items()},
        **{(GapKind.CARD, serial): ranges for serial, ranges in elsewhere.items()},
    }


async def _move(session: AsyncSession, open_: Mapping[int, FollowedGap], came: Came, *, now: datetime) -> Followed:
    today = now.astimezone(BUSINESS_ZONE).date()
    numbers = {(gap.kind, gap.subject, gap.first, gap.last, gap.window): number for number, gap in open_.items()}

    def number(gap: FollowedGap) -> int:
        return numbers[gap.kind, gap.subject, gap.first, gap.last, gap.window]

    found = followed(open_.values(), came, today)
    await queries.narrow(session, [(number(gap), gap) for gap in found.narrower])
    await queries.end(session, [number(gap) for gap in found.closed], GapState.CAME, today=today)
    await session.flush()
    return found


async def _end_explained(session: AsyncSession, *, now: datetime) -> None:
    """Gaps whose case two people have closed."""
    ended = CaseRow.state == CaseState.CLOSED, CaseRow.resolution != ""
    explained = set(await session.scalars(select(CaseRow.id).where(CaseRow.kind == CaseKind.GAP, *ended)))
    over = [number for number, gap in (await queries.gaps(session, GapState.OPEN)).items() if gap.case in explained]
    await queries.end(session, over, GapState.EXPLAINED, today=now.astimezone(BUSINESS_ZONE).date())
