"""What a window finds missing when two people close it is followed from then on, and closes with what comes."""

from __future__ import annotations

from typing import Any

from sqlalchemy import select

from clearing.gaps.tables import GapRow


async def _gaps(house: Any) -> dict[tuple[str, str, int, int], str]:
    async with house.database.reading() as session:
        rows = await session.scalars(select(GapRow).order_by(GapRow.number))
        return {(row.subject, row.owner, row.first, row.last): row.state for row in rows}


async def test_a_close_follows_what_it_found_missing_and_the_next_one_what_came(house: Any) -> None:
    bus = await house.enrol("BUS-A-0001")
    first, lost, last = (house.town.tap(1, sequence) for sequence in range(3))
    await bus.upload(1, list(first))
    await bus.upload(3, list(last))
    await house.close(1)
    journal, card = ("BUS-A-0001", "bus-a", 3, 4), ("03109910000000000001", "card-company", 1, 1)
    assert await _gaps(house) == {journal: "open", card: "open"}
    async with house.staff("wang") as wang:
        page = (await wang.get("/gaps")).text
    assert "BUS-A-0001" in page
    assert "03109910000000000001" in page

    await bus.upload(2, list(lost))
    await house.close(2)
    assert await _gaps(house) == {journal: "came", card: "came"}
