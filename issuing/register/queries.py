"""Reading the register."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from sqlalchemy import func, select
from sqlalchemy.dialects.postgresql import distinct_on
from sqlalchemy.ext.asyncio import AsyncSession

from issuing.register.tables import PersonRow


async def newest(session: AsyncSession, persons: Sequence[str]) -> Mapping[str, PersonRow]:
    """The version in force of each of ``persons`` that is known."""
    statement = (
        select(PersonRow)
        .where(PersonRow.person.in_(persons))
        .ext(distinct_on(PersonRow.person))
        .order_by(PersonRow.person, PersonRow.version.desc())
    )
    return {row.person: row for row in await session.scalars(statement)}


async def count_persons(session: AsyncSession) -> int:
    return await session.scalar(select(func.count(func.distinct(PersonRow.person)))) or 0
