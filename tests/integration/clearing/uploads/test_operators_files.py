"""A file that an operator's staff hands in is taken whole, once, for that operator's devices alone."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select

from clearing.intake import queries
from clearing.intake.files.ours import write_csv, write_parquet
from clearing.intake.files.tables import OperatorsFileRow
from clearing.intake.queries import Series
from clearing.intake.tables import BatchRow
from rulebook.batch import seal, unseal
from rulebook.record import Record
from rulebook.record.columns import columns_of


def _csv(tmp_path: Path, records: list[Record]) -> bytes:
    path = tmp_path / "file.csv"
    write_csv(columns_of(b"".join(record.encode() for record in records)), path)
    return path.read_bytes()


async def _hand_in(caller: Any, content: bytes, layout: str = "citycard-csv") -> Any:
    created = await caller.create(f"/uploads/files?layout={layout}", content, first=content[: len(content) // 2])
    assert created.status_code == 201, created.text
    offset = int(created.headers["upload-offset"])
    return await caller.append(created.headers["location"], offset, content[offset:], complete=True)


async def _rows(shop: Any) -> list[BatchRow]:
    async with shop.database.reading() as session:
        return list(await queries.batches(session))


async def test_a_file_becomes_batches_of_its_devices(shop: Any, tmp_path: Path) -> None:
    records = [record for sequence in range(3) for record in shop.town.tap(1, sequence)]
    zhao = await shop.signed_in("zhao")
    done = await _hand_in(zhao, _csv(tmp_path, [*records[4:], records[0]]))
    assert done.status_code == 201, done.text
    answer = done.json()
    assert (answer["operator"], answer["records"], answer["devices"], answer["repeated"]) == ("bus-a", 3, 1, False)
    rows = await _rows(shop)
    assert [(row.number, row.first_sequence, row.last_sequence) for row in rows] == [(-2, 5, 6), (-1, 1, 1)]
    held = [record for row in rows for record in unseal(shop.files.raw.read(row.stored_as)).records]
    assert held == [*records[4:], records[0]]
    async with shop.database.reading() as session:
        (file,) = (await session.scalars(select(OperatorsFileRow))).all()
        gaps = [(gap.series, gap.first, gap.last) for gap in await queries.open_gaps(session)]
    assert (file.operator, file.by, file.layout) == ("bus-a", "zhao", "citycard-csv")
    assert shop.files.raw.read(file.stored_as) == _csv(tmp_path, [*records[4:], records[0]])
    assert gaps == [("journal", 2, 4)]


async def test_the_same_again_in_any_form_changes_nothing(shop: Any, tmp_path: Path) -> None:
    records = list(shop.town.tap(1, 0))
    zhao = await shop.signed_in("zhao")
    content = _csv(tmp_path, records)
    done = await _hand_in(zhao, content)
    heard_again = await zhao.create("/uploads/files?layout=citycard-csv", content)
    assert heard_again.content == done.content
    again = await _hand_in(zhao, content.replace(b"\n", b"\r\n"))
    assert (again.status_code, again.json()["repeated"]) == (201, False)
    write_parquet(columns_of(b"".join(record.encode() for record in records)), tmp_path / "file.parquet")
    other = await _hand_in(zhao, (tmp_path / "file.parquet").read_bytes(), "citycard-parquet")
    assert other.status_code == 201
    assert len(await _rows(shop)) == 1


async def test_what_the_device_sends_itself_fits_together_with_the_file(shop: Any, tmp_path: Path) -> None:
    records = [*shop.town.tap(1, 0), *shop.town.tap(1, 1)]
    await _hand_in(await shop.signed_in("zhao"), _csv(tmp_path, records[:3]))
    raw = seal(shop.bus.name, 1, records, shop.bus.key.sign)
    sent = await shop.bus.create("/uploads/batches", raw, first=raw, complete=True)
    assert sent.status_code == 201, sent.text
    async with shop.database.reading() as session:
        assert await queries.open_gaps(session) == []
        assert await queries.coverage(session, shop.bus.name, Series.JOURNAL) == ((1, 4),)


async def test_a_record_known_with_other_content_refuses_the_file_and_is_reported(shop: Any, tmp_path: Path) -> None:
    intent, outcome = shop.town.tap(1, 0)
    raw = seal(shop.bus.name, 1, [intent, outcome], shop.bus.key.sign)
    await shop.bus.create("/uploads/batches", raw, first=raw, complete=True)
    refused = await _hand_in(await shop.signed_in("zhao"), _csv(tmp_path, [intent, replace(outcome, amount_minor=5)]))
    assert (refused.status_code, refused.json()["reason"]) == (409, "repeated_with_other_content")
    assert [fault["message"] for fault in refused.json()["errors"]] == [
        "record 2 of BUS-A-0001 is known with other content"
    ]
    assert len(await _rows(shop)) == 1
    async with shop.database.reading() as session:
        assert [row.device for row in await queries.conflicts(session)] == ["BUS-A-0001"]


async def test_another_operators_devices_are_not_taken(shop: Any, tmp_path: Path) -> None:
    refused = await _hand_in(await shop.signed_in("qian"), _csv(tmp_path, list(shop.town.tap(1, 0))))
    assert (refused.status_code, refused.json()["reason"]) == (422, "malformed_file")
    assert refused.json()["errors"][0]["message"].startswith("BUS-A-0001 is no device of bus-b")
    assert await _rows(shop) == []


async def test_every_bad_row_is_named_and_nothing_is_taken(shop: Any, tmp_path: Path) -> None:
    good = _csv(tmp_path, list(shop.town.tap(1, 0)))
    refused = await _hand_in(await shop.signed_in("zhao"), good.replace(b'"ride"', b'"flight"'))
    assert (refused.status_code, refused.json()["detail"]) == (422, "2 faults")
    assert [(fault["row"], fault["field"]) for fault in refused.json()["errors"]] == [(1, "event"), (2, "event")]
    assert await _rows(shop) == []


@pytest.mark.parametrize("name", ["sun", ""], ids=["no operator's", "nobody"])
async def test_only_an_operators_staff_hands_files_in(shop: Any, name: str) -> None:
    caller = await shop.signed_in(name) if name else shop.staff("nobody")
    refused = await caller.create("/uploads/files?layout=citycard-csv", b"x")
    assert refused.status_code == (403 if name else 401)


async def test_a_layout_must_be_known(shop: Any) -> None:
    refused = await (await shop.signed_in("zhao")).create("/uploads/files?layout=excel", b"x")
    assert (refused.status_code, refused.json()["reason"]) == (422, "layout_unknown")
