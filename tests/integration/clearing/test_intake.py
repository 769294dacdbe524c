"""A batch is taken whole or refused whole; a repeat changes nothing; what is missing is followed until it comes."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from typing import Any

import pytest
from sqlalchemy import func, select
from sqlalchemy.exc import DBAPIError

from clearing.intake.queries import conflicts, open_gaps
from clearing.intake.tables import BatchRow, OpenGapRow
from rulebook.batch import seal
from rulebook.messages.devices import BatchReceipt


async def _counts(house: Any) -> tuple[int, int]:
    """Batches, and records as a close would count them now."""
    async with house.staff("wang") as wang:
        counts = (await wang.get("/windows/1")).json()["counts"]
    return counts["batches"], counts["records"]


def _files(house: Any) -> list[bytes]:
    folder = house.app.state.service.settings.data_folder / "clearing" / "raw"
    return sorted(path.read_bytes() for path in folder.rglob("*") if path.is_file())


async def _gaps(house: Any) -> list[tuple[str, int, int]]:
    async with house.database.reading() as session:
        return [(gap.series, gap.first, gap.last) for gap in await open_gaps(session)]


async def test_a_batch_is_kept_as_it_came_under_its_hash(house: Any) -> None:
    bus = await house.enrol("BUS-A-0001")
    records = list(house.town.tap(1, 0))
    raw = seal(bus.name, 1, records, bus.key.sign)
    answer = await bus.send("POST", "/batches", raw)
    assert answer.status_code == 201
    receipt = BatchReceipt.model_validate_json(answer.content)
    assert (receipt.device, receipt.number, receipt.repeated) == ("BUS-A-0001", 1, False)
    async with house.database.reading() as session:
        row = await session.get(BatchRow, ("BUS-A-0001", 1))
    assert (row.stored_as, row.content_hash) == (hashlib.sha256(raw).digest(), receipt.content_hash)
    assert _files(house) == [raw]


async def test_a_replayed_batch_changes_nothing(house: Any) -> None:
    bus = await house.enrol("BUS-A-0001")
    records = list(house.town.tap(1, 0))
    assert (await bus.upload(1, records)).status_code == 201
    again = await bus.upload(1, records)
    assert (again.status_code, again.json()["repeated"]) == (200, True)
    assert await _counts(house) == (1, 2)


async def test_one_number_with_other_content_is_refused_and_reported(house: Any) -> None:
    bus = await house.enrol("BUS-A-0001")
    intent, outcome = house.town.tap(1, 0)
    await bus.upload(1, [intent, outcome])
    answer = await bus.upload(1, [intent, replace(outcome, amount_minor=5)])
    assert (answer.status_code, answer.json()["reason"]) == (409, "repeated_with_other_content")
    assert [fault["message"] for fault in answer.json()["errors"]] == [
        "batch 1 of BUS-A-0001 is known with other content",
        "record 2 of BUS-A-0001 is known with other content",
    ]
    async with house.database.reading() as session:
        assert [row.number for row in await conflicts(session)] == [1]
    assert len(_files(house)) == 2, "the refused one is kept as evidence"
    assert await _counts(house) == (1, 2)


async def test_records_that_came_already_in_another_batch_count_once(house: Any) -> None:
    bus = await house.enrol("BUS-A-0001")
    records = [*house.town.tap(1, 0), *house.town.tap(1, 1)]
    await bus.upload(1, records[:3])
    assert (await bus.upload(2, records)).status_code == 201
    assert await _counts(house) == (2, 4)


async def test_every_fault_of_a_batch_is_named(house: Any) -> None:
    bus = await house.enrol("BUS-A-0001")
    intent, outcome = house.town.tap(1, 0)
    wrong = [replace(intent, device="BUS-B-0001"), replace(outcome, journal_sequence=9)]
    raw = seal(bus.name, 1, wrong, bus.key.sign)
    answer = await bus.send("POST", "/batches", raw)
    assert answer.status_code == 422
    faults = " ".join(fault["message"] for fault in answer.json()["errors"])
    assert "record 1: device is BUS-B-0001" in faults
    assert "not journal sequences 1 to 9" in faults
    assert await _counts(house) == (0, 0)


@pytest.mark.parametrize("where", [30, -70, -1], ids=["header", "record", "signature"])
async def test_a_flipped_bit_anywhere_is_refused(house: Any, where: int) -> None:
    bus = await house.enrol("BUS-A-0001")
    raw = bytearray(seal(bus.name, 1, list(house.town.tap(1, 0)), bus.key.sign))
    raw[where] ^= 1
    answer = await bus.send("POST", "/batches", bytes(raw))
    assert answer.status_code == 422
    assert await _counts(house) == (0, 0)
    assert _files(house) == []


async def test_one_device_cannot_bring_anothers_batch(house: Any) -> None:
    bus, other = await house.enrol("BUS-A-0001"), await house.enrol("BUS-B-0001")
    raw = seal(bus.name, 1, list(house.town.tap(1, 0)), bus.key.sign)
    answer = await other.send("POST", "/batches", raw)
    assert answer.status_code == 422
    assert "the request is signed by BUS-B-0001" in answer.json()["errors"][0]["message"]


async def test_a_gap_is_open_until_what_is_missing_arrives(house: Any) -> None:
    bus = await house.enrol("BUS-A-0001")
    records = [record for sequence in range(4) for record in house.town.tap(1, sequence)]
    await bus.upload(1, records[:2])
    await bus.upload(4, records[6:])
    assert await _gaps(house) == [("batch", 2, 3), ("journal", 3, 6)]
    await bus.upload(2, records[2:4])
    assert await _gaps(house) == [("batch", 3, 3), ("journal", 5, 6)]
    await bus.upload(3, records[4:6])
    assert await _gaps(house) == []
    async with house.database.reading() as session:
        closed = await session.scalar(select(func.count()).where(OpenGapRow.closed_at.is_not(None)))
    assert closed == 4


async def test_what_was_taken_cannot_be_changed(house: Any) -> None:
    bus = await house.enrol("BUS-A-0001")
    await bus.upload(1, list(house.town.tap(1, 0)))
    async with house.database._writing() as session:
        with pytest.raises(DBAPIError, match="permission denied"):
            await session.execute(BatchRow.__table__.delete())
