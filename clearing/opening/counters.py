"""The migrated cards' counters as files: the first of their kind, in force from window 1 on."""

from __future__ import annotations

from pathlib import Path

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from clearing.day import parquet
from clearing.day.cleared import bucket_in
from clearing.day.parquet import Written
from clearing.day.registers import counter_files
from clearing.day.schema import Columns
from clearing.settlement.tables import CounterFileRow

BEFORE_THE_FIRST = 0
"""The window whose counters a running city came with."""


def write_counters(counters: Columns, results: Path) -> list[Written]:
    """A file for each bucket below ``results``, named by its hash as a window's are; the same counters are the same files."""
    return [parquet.keep(table, results, f"counters/{name}") for name, table in counter_files(counters)]


async def brought_counters(session: AsyncSession) -> list[Written]:
    """What was migrated, in order of bucket; it never changes, whatever windows follow."""
    found = select(CounterFileRow).where(CounterFileRow.window == BEFORE_THE_FIRST).order_by(CounterFileRow.bucket)
    return [Written(row.name, row.rows, row.sha256) for row in await session.scalars(found)]


def counter_rows(written: list[Written]) -> list[CounterFileRow]:
    return [
        CounterFileRow(
            window=BEFORE_THE_FIRST,
            bucket=bucket_in(file.name),
            name=file.name,
            sha256=file.sha256,
            rows=file.rows,
        )
        for file in written
    ]
