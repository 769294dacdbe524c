"""Packages of ours whose answer is overdue: each is a case until the answer comes."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date, datetime

from sqlalchemy.ext.asyncio import AsyncSession

from clearing.cases.queries import known_ids
from clearing.cases.rules import CaseKind, Subject
from clearing.cases.service import close_vanished, open_cases
from clearing.exchange import queries
from clearing.exchange.booking import case_of_unanswered, unanswered_case
from clearing.exchange.tables import PackageRow
from clearing.ledger.accounts import TRANSIT
from clearing.participants.rules import City
from clearing.participants.service import city
from rulebook.calendar import BUSINESS_ZONE

ACTOR = "clearing"


async def follow_answers(session: AsyncSession, *, now: datetime) -> list[str]:
    """A package whose answer is overdue is a case, one that was answered is none any more. May be called at any time; the ids
    of new cases."""
    waits = await _unanswered(session)
    await close_vanished(session, CaseKind.UNANSWERED, waits, actor=ACTOR, now=now)
    # Only new ones: in words of today, which need not be those of the day when a known one was opened.
    known = await known_ids(session, waits)
    of = await city(session)
    today = now.astimezone(BUSINESS_ZONE).date()
    subjects = _subjects((row for case, row in waits.items() if case not in known), of, today)
    return await open_cases(session, subjects, calendar=of.rules().calendar, actor=ACTOR, now=now)


async def end_of_waiting(session: AsyncSession, *, actor: str, now: datetime) -> None:
    """The answer to a package has come from ``actor``."""
    await close_vanished(session, CaseKind.UNANSWERED, await _unanswered(session), actor=actor, now=now)


async def _unanswered(session: AsyncSession) -> dict[str, PackageRow]:
    """By the case that each is or may become, also those that are in time: what another process opens meanwhile, or opened
    on a later day than this one's, has not vanished, and a case that is closed is not opened again."""
    return {unanswered_case(row.partner, row.number): row for row in await queries.unanswered(session)}


def _subjects(unanswered: Iterable[PackageRow], of: City, today: date) -> list[Subject]:
    names = {each.id: f"{each.zh} {each.en}" for each in of.participants}
    return [
        case_of_unanswered(
            row.partner,
            row.number,
            amount_minor=row.amount_minor,
            due=row.due,
            called=names.get(row.partner, row.partner),
            keeper=of.keepers[TRANSIT],
        )
        for row in unanswered
        if row.due is not None and row.due < today
    ]
