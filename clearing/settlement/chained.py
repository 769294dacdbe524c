"""Whether the ledger's chain ends, window by window, where agreed results say: a chain cannot tell that its own end is gone."""

from __future__ import annotations

import json
from typing import NamedTuple

from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncSession

from clearing.ledger.tables import LinkRow
from clearing.settlement.model import WindowState
from clearing.settlement.tables import WindowRow


class Stretch(NamedTuple):
    """A window's links in a book: numbers ``first`` to ``last``, and the hash of the last."""

    first: int
    last: int
    links: int
    hash: bytes


async def window_faults(session: AsyncSession, book: str) -> list[str]:
    """Windows whose links in ``book`` are not those of their result."""
    agreed = await _agreed(session, book)
    chained = await _chained(session, book)
    return [
        f"window {number}: the chain has {_said(chained.get(number))}, its result {_said(agreed.get(number))}"
        for number in sorted(agreed.keys() | chained.keys())
        if agreed.get(number) != chained.get(number)
    ]


async def _agreed(session: AsyncSession, book: str) -> dict[int, Stretch]:
    found = {}
    closed = select(WindowRow.number, WindowRow.result).where(WindowRow.state == WindowState.CLOSED)
    async for number, result in await session.stream(closed.execution_options(yield_per=1)):
        assert result is not None
        transfers = json.loads(result)["transfers"]
        links = [(link, hash_) for link, hash_, _, fields in transfers if fields["book"] == book]
        if links:
            (first, _), (last, hash_) = min(links), max(links)
            found[number] = Stretch(first, last, len(links), bytes.fromhex(hash_))
    return found


async def _chained(session: AsyncSession, book: str) -> dict[int, Stretch]:
    last = func.max(LinkRow.number).label("last")
    of_book = select(LinkRow.window, func.min(LinkRow.number).label("first"), last, func.count().label("count"))
    windows = of_book.where(LinkRow.book == book).group_by(LinkRow.window).subquery()
    ends = select(*windows.c, LinkRow.hash).join(LinkRow, (LinkRow.book == book) & (LinkRow.number == windows.c.last))
    return {number: Stretch(*stretch) for number, *stretch in await session.execute(ends)}


def _said(stretch: Stretch | None) -> str:
    if stretch is None:
        return "no links"
    return f"{stretch.links} links from {stretch.first} to {stretch.last} ({stretch.hash.hex()[:16]}…)"
