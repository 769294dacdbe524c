"""What a migrated city brought with it, for those who follow its money."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from clearing.opening.balances import id_prefix
from clearing.opening.rules import OpeningState
from clearing.opening.tables import OpeningRow
from clearing.participants.banking import BookAtBank


async def posted(session: AsyncSession) -> Sequence[OpeningRow]:
    found = select(OpeningRow).where(OpeningRow.state == OpeningState.POSTED)
    return (await session.scalars(found.order_by(OpeningRow.number))).all()


async def began_with(session: AsyncSession, book: str, at_bank: BookAtBank) -> int:
    """Fen on the book's bank account before the first statement: as the city's document says, and as it was migrated."""
    lines = [line for row in await posted(session) for line in row.sheet]
    brought = [int(line["minor"]) for line in lines if (line["book"], line["code"]) == (book, at_bank.ledger)]
    return at_bank.opening_minor + sum(brought)


async def id_prefixes(session: AsyncSession) -> tuple[str, ...]:
    """With which the ids of migrated balances begin: no bank will ever show an entry for them."""
    return tuple(id_prefix(row.number) for row in await posted(session))
