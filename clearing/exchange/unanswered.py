"""Packages of ours whose answer is overdue: each is a case until the answer comes."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

from sqlalchemy.ext.asyncio import AsyncSession

from clearing.cases.queries import known_ids, waiting
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
    overdue = await queries.unanswered(session, today=now.astimezone(BUSINESS_ZONE).date())
    cases = {unanswered_case(row.partner, row.number): row for row in overdue}
    await close_vanished(session, CaseKind.UNANSWERED, cases, actor=ACTOR, now=now)
    # Only new ones: in words of today, which need not be those of the day when a known one was opened.
    known = await known_ids(session, cases)
    of = await city(session)
    subjects = _subjects([row for case, row in cases.items() if case not in known], of)
    return await open_cases(session, subjects, calendar=of.rules().calendar, actor=ACTOR, now=now)


async def end_of_waiting(session: AsyncSession, row: PackageRow, *, actor: str, now: datetime) -> None:
    """The answer to the package has come from ``actor``."""
    left = {case.id for case in await waiting(session, CaseKind.UNANSWERED)} - {
        unanswered_case(row.partner, row.number)
    }
    await close_vanished(session, CaseKind.UNANSWERED, left, actor=actor, now=now)


def _subjects(overdue: Iterable[PackageRow], of: City) -> list[Subject]:
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
        for row in overdue
        if row.due is not None
    ]
