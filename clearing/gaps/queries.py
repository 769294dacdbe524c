"""Gaps as stored, and what has come of them."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
from sqlalchemy import ARRAY, BigInteger, ColumnElement, cast, func, insert, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from clearing.base import among
from clearing.gaps.rules import FollowedGap, GapKind, GapState
from clearing.gaps.tables import GapRow
from clearing.intake.rules import Range, merged, of_numbers
from clearing.intake.tables import BatchRow


async def gaps(session: AsyncSession, *states: GapState) -> dict[int, FollowedGap]:
    """By their numbers, the nearest deadline first."""
    found = select(GapRow).where(GapRow.state.in_(states)).order_by(GapRow.deadline, GapRow.number)
    return {row.number: gap_of(row) for row in await session.scalars(found)}


def gap_of(row: GapRow) -> FollowedGap:
    return FollowedGap(
        kind=GapKind(row.kind),
        subject=row.subject,
        first=row.first,
        last=row.last,
        window=row.window,
        owner=row.owner,
        opened_on=row.opened_on,
        deadline=row.deadline,
        missing=tuple((first, last) for first, last in row.missing),
    )


async def store(session: AsyncSession, new: Iterable[FollowedGap]) -> None:
    rows = [
        {
            "kind": gap.kind,
            "subject": gap.subject,
            "first": gap.first,
            "last": gap.last,
            "window": gap.window,
            "owner": gap.owner,
            "opened_on": gap.opened_on,
            "deadline": gap.deadline,
            "missing": [list(part) for part in gap.missing],
            "state": GapState.OPEN,
        }
        for gap in new
    ]
    if rows:
        await session.execute(insert(GapRow), rows)


async def narrow(session: AsyncSession, left: Iterable[tuple[int, FollowedGap]]) -> None:
    """What is still missing of each, by number."""
    rows = [{"number": number, "missing": [list(part) for part in gap.missing]} for number, gap in left]
    if rows:
        await session.execute(update(GapRow), rows)


async def end(session: AsyncSession, numbers: Collection[int], state: GapState, *, today: date) -> None:
    values: dict[str, Any] = {"state": state, "ended_on": today}
    if state is GapState.CAME:
        values["missing"] = []
    if numbers:
        await session.execute(
            update(GapRow).where(GapRow.number == func.any(cast(list(numbers), ARRAY(BigInteger)))).values(values)
        )


async def journals(session: AsyncSession, devices: Collection[str]) -> dict[str, tuple[Range, ...]]:
    """Journal sequences that have come from each of ``devices``."""
    found = select(BatchRow.device, BatchRow.first_sequence, BatchRow.last_sequence).where(
        among(BatchRow.device, devices)
    )
    ranges: dict[str, list[Range]] = {}
    for device, first, last in await session.execute(found):
        ranges.setdefault(device, []).append((first, last))
    return {device: merged(of_device) for device, of_device in ranges.items()}


_USED = """
SELECT substr(hex(card), 17) AS serial, list(DISTINCT card_sequence) AS sequences
FROM read_parquet($1) WHERE NOT load AND substr(hex(card), 17) IN (SELECT serial FROM wanted) GROUP BY ALL
"""


def card_sequences(files: Sequence[Path], serials: Collection[str]) -> dict[str, tuple[Range, ...]]:
    """Off-line sequences that cleared records in ``files`` name, of each card of ``serials`` (hexadecimal, capitals)."""
    if not files or not serials:
        return {}
    with duckdb.connect() as connection:
        connection.register("wanted", pa.table({"serial": sorted(serials)}))
        rows = connection.sql(_USED, params=[[str(file) for file in files]]).fetchall()
    return {serial: of_numbers(sequences) for serial, sequences in rows}


@dataclass(frozen=True, slots=True)
class OwnersGaps:
    """How many gaps of a kind an owner has open, and how many of them past their deadline."""

    owner: str
    kind: GapKind
    open: int
    overdue: int


async def by_owner(session: AsyncSession, *, today: date) -> list[OwnersGaps]:
    late = func.count().filter(GapRow.deadline < today)
    found = select(GapRow.owner, GapRow.kind, func.count(), late).where(GapRow.state == GapState.OPEN)
    rows = await session.execute(found.group_by(GapRow.owner, GapRow.kind).order_by(GapRow.owner, GapRow.kind))
    return [OwnersGaps(owner, GapKind(kind), open_, overdue) for owner, kind, open_, overdue in rows]


async def newest_ended(session: AsyncSession, limit: int) -> Sequence[GapRow]:
    return await _rows(session, GapRow.state != GapState.OPEN, GapRow.ended_on.desc(), limit)


async def most_urgent(session: AsyncSession, limit: int) -> Sequence[GapRow]:
    return await _rows(session, GapRow.state == GapState.OPEN, GapRow.deadline.asc(), limit)


async def _rows(
    session: AsyncSession, which: ColumnElement[bool], order: ColumnElement[Any], limit: int
) -> Sequence[GapRow]:
    return (await session.scalars(select(GapRow).where(which).order_by(order, GapRow.number).limit(limit))).all()
