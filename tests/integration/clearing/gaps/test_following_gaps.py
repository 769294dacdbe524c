"""Gaps that a window found are followed over later windows until the records come, or become a case."""

from __future__ import annotations

from collections import Counter
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from sqlalchemy import insert, select
from sqlalchemy.ext.asyncio import AsyncSession

from clearing.cases.rules import Resolution
from clearing.cases.service import approve, propose
from clearing.cases.tables import CaseRow
from clearing.day.parquet import Written
from clearing.gaps import queries
from clearing.gaps.rules import GapState
from clearing.gaps.service import follow_deadlines, follow_window, used_by_cards
from clearing.gaps.tables import GapRow
from clearing.intake.tables import BatchRow
from clearing.participants.charging import NOTHING_RUNNING
from clearing.participants.rules import demonstration
from clearing.participants.service import publish_city
from clearing.settlement.model import Remark, WindowResult
from clearing.settlement.queries import ensure_open
from clearing.verification.reasons import RemarkKind
from rulebook.calendar import BUSINESS_ZONE

NOW = datetime(2026, 9, 15, 22, tzinfo=BUSINESS_ZONE)
ISSUER, SERIAL = "01991000FFFFFFFF", "03109910000000000001"
JOURNAL = Remark(RemarkKind.JOURNAL_GAP, "BUS-A-0001", "bus-a", detail="3–6")
CARDS = Remark(RemarkKind.COUNTER_GAP, SERIAL, detail="7–8")


class Books:
    """Closed windows, one after the other."""

    def __init__(self, session: AsyncSession, results: Path) -> None:
        self.session, self.results, self.windows = session, results, 0

    async def close(self, *remarks: Remark, used: tuple[int, ...] = (), now: datetime = NOW) -> None:
        """A window whose cleared records name the card's off-line sequences ``used``."""
        self.windows += 1
        name = f"{self.windows}.parquet"
        card = bytes.fromhex(ISSUER + SERIAL)
        rows = {
            "card": pa.array([card] * (len(used) + 1), pa.binary(18)),
            "load": [False] * len(used) + [True],
            "card_sequence": pa.array([*used, 8], pa.int32()),  # a load's on-line sequence is another counter
        }
        pq.write_table(pa.table(rows), self.results / name)
        result = WindowResult(
            number=self.windows,
            counts=Counter(),
            exceptions=(),
            remarks=remarks,
            posted=(),
            transfers=(),
            positions=(),
            held={},
            cleared=(Written(name, len(used) + 1, ""),),
            counters=(),
            running=NOTHING_RUNNING,
        )
        by_cards = await used_by_cards(self.session, result, self.results)
        await follow_window(self.session, result, by_cards, now=now)

    async def came(self, number: int, first: int, last: int) -> None:
        values = {"device": "BUS-A-0001", "number": number, "content_hash": bytes([number]) * 32, "window": 1}
        values |= {"stored_as": bytes(32), "first_sequence": first, "last_sequence": last, "count": last - first + 1}
        await self.session.execute(insert(BatchRow).values(values | {"amount_sum_minor": 0, "received_at": NOW}))

    async def gaps(self) -> list[tuple[str, str, list[list[int]]]]:
        rows = await self.session.scalars(select(GapRow).order_by(GapRow.number))
        return [(row.subject, row.state, row.missing) for row in rows]

    async def cases(self) -> list[tuple[str, str, str]]:
        rows = await self.session.scalars(select(CaseRow).order_by(CaseRow.id))
        return [(row.id, row.owner, row.state) for row in rows]


@pytest.fixture
async def books(clearing_session: AsyncSession, tmp_path: Path) -> Books:
    await publish_city(clearing_session, demonstration(), now=NOW)
    await ensure_open(clearing_session, now=NOW)
    return Books(clearing_session, tmp_path)


async def test_a_device_gap_closes_when_its_records_come(books: Books) -> None:
    await books.came(1, 1, 2)
    await books.came(3, 7, 9)
    await books.close(JOURNAL)
    assert await books.gaps() == [("BUS-A-0001", "open", [[3, 6]])]
    await books.came(2, 4, 5)
    await books.close(*[Remark(JOURNAL.kind, JOURNAL.subject, "bus-a", detail=d) for d in ("3–3", "6–6")])
    assert await books.gaps() == [("BUS-A-0001", "open", [[3, 3], [6, 6]])]
    await books.came(4, 3, 6)
    await follow_deadlines(books.session, now=NOW)
    assert await books.gaps() == [("BUS-A-0001", "came", [])]


async def test_a_cards_gap_closes_when_a_later_window_clears_its_sequences(books: Books) -> None:
    await books.close(CARDS, used=(6, 9))
    assert await books.gaps() == [(SERIAL, "open", [[7, 8]])]
    await books.close(used=(7, 10))
    assert await books.gaps() == [(SERIAL, "open", [[8, 8]])]
    await books.close(used=(8,))
    assert await books.gaps() == [(SERIAL, "came", [])]


async def test_past_its_deadline_a_gap_is_a_case_of_its_owner_until_it_closes(books: Books) -> None:
    await books.close(JOURNAL, CARDS)
    assert await follow_deadlines(books.session, now=NOW + timedelta(days=3)) == []
    assert await follow_deadlines(books.session, now=NOW + timedelta(days=4)) == ["gap:journal:BUS-A-0001:3-6"]
    assert await follow_deadlines(books.session, now=NOW + timedelta(days=30)) == ["gap:card:1"]
    assert await books.cases() == [
        ("gap:card:1", "card-company", "open"),
        ("gap:journal:BUS-A-0001:3-6", "bus-a", "open"),
    ]
    await books.came(1, 3, 6)
    await follow_deadlines(books.session, now=NOW + timedelta(days=30))
    assert await books.cases() == [
        ("gap:card:1", "card-company", "open"),
        ("gap:journal:BUS-A-0001:3-6", "bus-a", "closed"),
    ]


async def test_a_close_that_began_before_midnight_ends_no_case(books: Books) -> None:
    """It follows the gaps by the day of its beginning, when the timer has gone on to the next."""
    await books.close(JOURNAL)
    (case,) = await follow_deadlines(books.session, now=NOW + timedelta(days=4))
    await books.close(now=NOW + timedelta(days=3))
    assert await books.cases() == [(case, "bus-a", "open")]


async def test_what_two_people_explained_is_over_and_not_opened_by_the_next_window(books: Books) -> None:
    await books.close(JOURNAL)
    late = NOW + timedelta(days=4)
    (case,) = await follow_deadlines(books.session, now=late)
    await propose(books.session, case, Resolution.EXPLAINED, "the journal burnt with the bus", actor="wang", now=late)
    await approve(books.session, case, actor="li", now=late)
    await books.close(JOURNAL, now=late)
    assert await books.gaps() == [("BUS-A-0001", "explained", [[3, 6]])]
    assert await queries.gaps(books.session, GapState.OPEN) == {}


async def test_owners_are_told_how_many_they_have_and_how_many_late(books: Books) -> None:
    await books.close(JOURNAL, CARDS)
    today = (NOW + timedelta(days=4)).date()
    found: list[Any] = [(o.owner, o.open, o.overdue) for o in await queries.by_owner(books.session, today=today)]
    assert found == [("bus-a", 1, 1), ("card-company", 1, 0)]
