"""Publishing facts, and reading them page by page."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import insert, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from issuing.feed.tables import OutboxHeadRow, OutboxRow
from rulebook.messages.facts import CardFact, DenyListFact, FeedItem, FeedPage, InsuredFact, SamFact


async def publish(session: AsyncSession, facts: Sequence[CardFact | InsuredFact | SamFact | DenyListFact]) -> None:
    """Number ``facts`` in their order, in this transaction."""
    if not facts:
        return
    taken = update(OutboxHeadRow).values(last=OutboxHeadRow.last + len(facts)).returning(OutboxHeadRow.last)
    last = (await session.execute(taken, execution_options={"synchronize_session": False})).scalar_one()
    first = last - len(facts) + 1
    rows = [{"number": number, "fact": fact.model_dump(mode="json")} for number, fact in enumerate(facts, first)]
    await session.execute(insert(OutboxRow), rows)


async def page(session: AsyncSession, *, after: int, limit: int) -> FeedPage:
    """At most ``limit`` items with numbers above ``after``."""
    last = await session.scalar(select(OutboxHeadRow.last)) or 0
    wanted = select(OutboxRow).where(OutboxRow.number > after).order_by(OutboxRow.number).limit(limit)
    items = [FeedItem.model_validate({"number": row.number, "fact": row.fact}) for row in await session.scalars(wanted)]
    return FeedPage(items=items, last=last)
