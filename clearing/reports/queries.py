"""Movements of the transit book by business day of recording: what was known at a day's end never changes afterwards."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta

from sqlalchemy import ARRAY, Text, bindparam, text
from sqlalchemy.ext.asyncio import AsyncSession

from clearing.ledger import queries as ledger
from clearing.ledger.accounts import TRANSIT, Kind
from clearing.ledger.rules import Standing, Transfer
from clearing.reports.requirements import REFUND_DAYS
from clearing.reports.rules import Movement
from rulebook.calendar import BUSINESS_ZONE

_MOVEMENTS = text(
    """
    WITH leg AS (
        SELECT split_part(debit, ':', 1) AS kind, amount_minor AS debit, 0 AS credit, recorded_at
        FROM clearing.ledger_transfer WHERE book = :book AND phase IN ('single', 'post') AND recorded_at < :until
        UNION ALL
        SELECT split_part(credit, ':', 1), 0, amount_minor, recorded_at
        FROM clearing.ledger_transfer WHERE book = :book AND phase IN ('single', 'post') AND recorded_at < :until)
    SELECT (recorded_at AT TIME ZONE 'UTC' + CAST(:ahead AS interval))::date AS business_day, kind,
        sum(debit)::bigint, sum(credit)::bigint
    FROM leg GROUP BY 1, 2 ORDER BY 1, 2
    """
)

# First in, first out: what was owed before the limit, less everything that was ever paid, is still owed.
_OVERDUE = text(
    """
    WITH owed AS (
        SELECT credit AS code, sum(amount_minor) FILTER (WHERE recorded_at < :limit) AS old, 0 AS paid
        FROM clearing.ledger_transfer
        WHERE book = :book AND phase IN ('single', 'post') AND recorded_at < :until AND credit LIKE 'refunds-owed:%'
        GROUP BY 1
        UNION ALL
        SELECT debit, 0, sum(amount_minor)
        FROM clearing.ledger_transfer
        WHERE book = :book AND phase IN ('single', 'post') AND recorded_at < :until AND debit LIKE 'refunds-owed:%'
        GROUP BY 1),
    left_over AS (SELECT code, sum(coalesce(old, 0)) - sum(paid) AS minor FROM owed GROUP BY code)
    SELECT count(*)::bigint, coalesce(sum(minor), 0)::bigint FROM left_over WHERE minor > 0
    """
)

_OF_DAY = text(
    """
    SELECT id FROM clearing.ledger_transfer
    WHERE book = :book AND phase IN ('single', 'post') AND recorded_at >= :begin AND recorded_at < :until
        AND (split_part(debit, ':', 1) = ANY(:kinds) OR split_part(credit, ':', 1) = ANY(:kinds))
    ORDER BY id LIMIT :limit
    """
).bindparams(bindparam("kinds", type_=ARRAY(Text)))


@dataclass(frozen=True, slots=True)
class BusinessDays:
    """Where one business day ends and the next begins, local time."""

    cut_off: time

    @property
    def ahead(self) -> timedelta:
        """How far a business day is ahead of the UTC day of the same date."""
        cut_off = timedelta(hours=self.cut_off.hour, minutes=self.cut_off.minute, seconds=self.cut_off.second)
        offset = BUSINESS_ZONE.utcoffset(None)
        assert offset is not None
        return offset - cut_off

    def begin(self, day: date) -> datetime:
        return datetime.combine(day, self.cut_off, BUSINESS_ZONE)

    def end(self, day: date) -> datetime:
        """The first moment of the next one."""
        return self.begin(day + timedelta(days=1))


async def movements(session: AsyncSession, calendar: BusinessDays, last: date) -> list[Movement]:
    """Of all days to ``last``, by kind of account."""
    given = {"book": TRANSIT, "until": calendar.end(last), "ahead": calendar.ahead}
    rows = await session.execute(_MOVEMENTS, given)
    return [Movement(day, Kind(kind), debits, credits_) for day, kind, debits, credits_ in rows]


@dataclass(frozen=True, slots=True)
class Overdue:
    """Refunds owed for longer than ``REFUND_DAYS``: to how many cards, and fen."""

    cards: int
    minor: int


async def overdue_refunds(session: AsyncSession, calendar: BusinessDays, day: date) -> Overdue:
    """At the end of ``day``."""
    limit = calendar.end(day - timedelta(days=REFUND_DAYS.value))
    found = await session.execute(_OVERDUE, {"book": TRANSIT, "until": calendar.end(day), "limit": limit})
    return Overdue(*found.one())


async def accounts_at(session: AsyncSession, calendar: BusinessDays, day: date) -> list[Standing]:
    """Every account of the transit book at the end of ``day``."""
    return await ledger.standings_at(session, TRANSIT, calendar.end(day) - timedelta(microseconds=1))


async def transfers_of_day(
    session: AsyncSession, calendar: BusinessDays, day: date, kinds: Sequence[Kind], limit: int
) -> list[Transfer]:
    """Recorded on that business day that moved accounts of ``kinds``, the first ones in order of id."""
    wanted = {"book": TRANSIT, "begin": calendar.begin(day), "until": calendar.end(day), "limit": limit}
    ids = list(await session.scalars(_OF_DAY, wanted | {"kinds": [str(kind) for kind in kinds]}))
    found = await ledger.transfers_by_id(session, ids)
    return [found[id_] for id_ in ids]
