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

# Balances are kept as counters: what was before is what is now, less what has been recorded since.
_MOVEMENTS = text(
    """
    WITH leg AS (
        SELECT split_part(debit, ':', 1) AS kind, amount_minor AS debit, 0 AS credit, recorded_at
        FROM clearing.ledger_transfer WHERE book = :book AND phase IN ('single', 'post') AND recorded_at >= :begin
        UNION ALL
        SELECT split_part(credit, ':', 1), 0, amount_minor, recorded_at
        FROM clearing.ledger_transfer WHERE book = :book AND phase IN ('single', 'post') AND recorded_at >= :begin),
    moved AS (
        SELECT (recorded_at AT TIME ZONE 'UTC' + CAST(:ahead AS interval))::date AS business_day, kind,
            sum(debit) AS debits, sum(credit) AS credits
        FROM leg GROUP BY 1, 2),
    before AS (
        SELECT kind, sum(debits) AS debits, sum(credits) AS credits
        FROM (SELECT kind, debits_posted AS debits, credits_posted AS credits
              FROM clearing.ledger_account WHERE book = :book
              UNION ALL SELECT kind, -debits, -credits FROM moved) AS every
        GROUP BY 1)
    SELECT CAST(:day_before AS date), kind, debits::bigint, credits::bigint
    FROM before WHERE debits <> 0 OR credits <> 0
    UNION ALL
    SELECT business_day, kind, debits::bigint, credits::bigint FROM moved WHERE business_day <= :last
    ORDER BY 1, 2
    """
)

# First in, first out: what was owed before the limit, less everything that was ever paid, is still owed.
_OVERDUE = text(
    """
    WITH since AS (
        SELECT credit AS code, amount_minor AS owed, 0 AS paid
        FROM clearing.ledger_transfer
        WHERE book = :book AND phase IN ('single', 'post') AND recorded_at >= :limit AND credit LIKE 'refunds-owed:%'
        UNION ALL
        SELECT debit, 0, amount_minor
        FROM clearing.ledger_transfer
        WHERE book = :book AND phase IN ('single', 'post') AND recorded_at >= :until AND debit LIKE 'refunds-owed:%'),
    later AS (SELECT code, sum(owed) AS owed, sum(paid) AS paid FROM since GROUP BY code),
    left_over AS (
        SELECT credits_posted - coalesce(owed, 0) - (debits_posted - coalesce(paid, 0)) AS minor
        FROM clearing.ledger_account LEFT JOIN later USING (code)
        WHERE book = :book AND kind = 'refunds-owed')
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


async def movements(session: AsyncSession, calendar: BusinessDays, first: date, last: date) -> list[Movement]:
    """Of all days from ``first`` to ``last``, by kind of account; all that was before ``first`` as of the day before it."""
    given = {"book": TRANSIT, "begin": calendar.begin(first), "ahead": calendar.ahead}
    rows = await session.execute(_MOVEMENTS, given | {"day_before": first - timedelta(days=1), "last": last})
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
