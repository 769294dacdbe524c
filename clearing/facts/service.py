"""Keeping the copy: items are applied in the order of their numbers, each once."""

from __future__ import annotations

import httpx
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from clearing.base import Base
from clearing.facts.tables import FEED, CardFactRow, DenyChangeRow, FeedPositionRow, InsuredFactRow, SamFactRow
from rulebook.messages.facts import FeedItem, FeedPage

PAGE_LENGTH = 1000
_TABLES: dict[str, type[Base]] = {
    "card": CardFactRow,
    "insured": InsuredFactRow,
    "sam": SamFactRow,
    "deny": DenyChangeRow,
}


class FeedBroken(Exception):
    """The feed cannot be followed; what was applied before stays."""


class FeedGap(FeedBroken):
    """An item was left out; nothing after it may be applied before it has come."""

    def __init__(self, *, expected: int, got: int) -> None:
        super().__init__(f"the feed's next item is {expected}, {got} came; pull again after {expected - 1}")
        self.expected = expected
        self.got = got


async def apply_fact(session: AsyncSession, item: FeedItem) -> None:
    """Take over one item. One that was applied before changes nothing. Raises ``FeedGap``."""
    await _apply(session, await _position(session), item)


async def pull(session: AsyncSession, client: httpx.AsyncClient) -> int:
    """Fetch and apply everything new from issuing's ``GET /feed``; ``client`` carries base URL and service token.
    Answers the number of items applied. Raises ``FeedBroken``, ``httpx.HTTPError`` or, for a page that is none,
    ``ValueError``."""
    position = await _position(session)
    start = position.number
    while True:
        response = await client.get("/feed", params={"after": position.number, "limit": PAGE_LENGTH})
        response.raise_for_status()
        page = FeedPage.model_validate_json(response.content)
        _refuse_what_cannot_go_on(page, position.number)
        for item in page.items:
            await _apply(session, position, item)
        if position.number >= page.last:
            return position.number - start


async def _position(session: AsyncSession) -> FeedPositionRow:
    """Locked until the end of the transaction, so that two pulls do not apply the same item twice."""
    first = insert(FeedPositionRow).values(feed=FEED, number=0)
    await session.execute(first.on_conflict_do_nothing())
    return await session.get_one(FeedPositionRow, FEED, with_for_update=True, populate_existing=True)


def _refuse_what_cannot_go_on(page: FeedPage, position: int) -> None:
    if page.last < position:
        raise FeedBroken(
            f"the feed ends at {page.last}, {position} was applied here before: issuing has lost items, or this is another"
            " issuing's feed; nothing may be pulled until people have compared the two"
        )
    if page.last > position and not page.items:
        raise FeedBroken(f"the feed ends at {page.last} and gives nothing after {position}; look at issuing's outbox")


async def _apply(session: AsyncSession, position: FeedPositionRow, item: FeedItem) -> None:
    if item.number <= position.number:
        return
    if item.number != position.number + 1:
        raise FeedGap(expected=position.number + 1, got=item.number)
    fact = item.fact
    values = {name: getattr(fact, name) for name in type(fact).model_fields if name != "kind"}
    await session.merge(_TABLES[fact.kind](**values, number=item.number))
    position.number = item.number
    await session.flush()
