"""The lines of a page of accounts: no more of them for a million people than for a hundred."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import ARRAY, Text, TextClause, bindparam, text
from sqlalchemy.ext.asyncio import AsyncSession

from clearing.ledger.accounts import Kind
from clearing.ledger.rules import Counters
from clearing.ledger.sheet import Line
from rulebook.money import Currency

SUMMED = (Kind.PERSONAL_ACCOUNT,)
"""Of these there is one for each person. Together they are one line, and nobody is named on it."""


_LINE = "CASE WHEN split_part({code}, ':', 1) = ANY(:summed) THEN split_part({code}, ':', 1) ELSE {code} END"


def _statement(sql: str, *, until: str = "") -> TextClause:
    parts = {code: _LINE.format(code=code) for code in ("code", "debit", "credit")}
    summed = bindparam("summed", [str(kind) for kind in SUMMED], type_=ARRAY(Text))
    return text(sql.format(**parts, until=until)).bindparams(summed)


# Behind OFFSET 0 the planner does not take every person for a group of its own, for which it would sort them all on disk.
_NOW = _statement(
    """
    SELECT line, kind, currency, count(*),
        sum(debits_posted)::bigint, sum(credits_posted)::bigint, sum(debits_pending)::bigint, sum(credits_pending)::bigint
    FROM (SELECT {code} AS line, * FROM clearing.ledger_account WHERE book = :book OFFSET 0) AS account
    GROUP BY line, kind, currency
    """
)
# Transfers are read once, and added up by the two lines between which they moved: what is left to count is few.
_FROM_TRANSFERS = """
    WITH known AS (
        SELECT line, kind, currency, count(*) AS accounts
        FROM (SELECT {code} AS line, kind, currency FROM clearing.ledger_account WHERE book = :book OFFSET 0) AS account
        GROUP BY line, kind, currency),
    moved AS (
        SELECT debit, credit, phase, sum(amount_minor) AS minor
        FROM (SELECT {debit} AS debit, {credit} AS credit, phase, amount_minor
            FROM clearing.ledger_transfer WHERE book = :book {until} OFFSET 0) AS transfer
        GROUP BY debit, credit, phase),
    effect (phase, posted, pending) AS (
        VALUES ('single', 1, 0), ('pending', 0, 1), ('post', 1, -1), ('void', 0, -1), ('expire', 0, -1)),
    leg AS (
        SELECT debit AS line, posted * minor AS dp, 0 AS cp, pending * minor AS dq, 0 AS cq
        FROM moved JOIN effect USING (phase)
        UNION ALL SELECT credit, 0, posted * minor, 0, pending * minor FROM moved JOIN effect USING (phase))
    SELECT line, kind, currency, accounts, coalesce(sum(dp), 0)::bigint, coalesce(sum(cp), 0)::bigint,
        coalesce(sum(dq), 0)::bigint, coalesce(sum(cq), 0)::bigint
    FROM known LEFT JOIN leg USING (line) GROUP BY line, kind, currency, accounts
    """
_AT = _statement(_FROM_TRANSFERS, until="AND recorded_at <= :at")
_AFTER_WINDOW = _statement(
    _FROM_TRANSFERS,
    until='AND id IN (SELECT transfer_id FROM clearing.ledger_link WHERE book = :book AND "window" <= :window)',
)


async def lines_now(session: AsyncSession, book: str) -> list[Line]:
    """As everything stands now; in order of code, those of several accounts last."""
    return await _lines(session, _NOW, book)


async def lines_at(session: AsyncSession, book: str, at: datetime) -> list[Line]:
    """As everything stood when all that was recorded up to ``at``, and nothing later, had been posted."""
    return await _lines(session, _AT, book, at=at)


async def lines_after_window(session: AsyncSession, book: str, window: int) -> list[Line]:
    """As the transfers of the closed windows up to ``window``, and no others, leave everything."""
    return await _lines(session, _AFTER_WINDOW, book, window=window)


async def _lines(session: AsyncSession, statement: TextClause, book: str, **until: Any) -> list[Line]:
    rows = await session.execute(statement, {"book": book, **until})
    found = [
        Line(book, code, Kind(kind), Currency(currency), Counters(*counters), accounts, summed=Kind(kind) in SUMMED)
        for code, kind, currency, accounts, *counters in rows
    ]
    return sorted(found, key=lambda line: (line.summed, line.code))
