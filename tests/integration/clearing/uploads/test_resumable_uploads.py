"""An upload goes on where it stopped, is taken once, and what is taken is what was declared."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import datetime, timedelta
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from sqlalchemy import func, select

from clearing.intake.tables import BatchRow
from clearing.uploads.rules import LARGEST, OPEN_UPLOADS, Target
from clearing.uploads.tables import UploadRow
from rulebook.batch import seal
from rulebook.messages.devices import BatchReceipt


def _batch(shop: Any, number: int = 1, sequence: int = 0) -> bytes:
    records = list(shop.town.tap(1, sequence))
    return seal(shop.bus.name, number, records, shop.bus.key.sign)


async def _batches(shop: Any) -> int:
    async with shop.database.reading() as session:
        return await session.scalar(select(func.count()).select_from(BatchRow)) or 0


def _unfinished(shop: Any) -> int:
    folder = shop.files.folder / "uploads"
    return len(list(folder.iterdir())) if folder.exists() else 0


async def test_a_batch_in_three_pieces_is_taken_as_one(shop: Any) -> None:
    raw = _batch(shop)
    created = await shop.bus.create("/uploads/batches", raw, first=raw[:100])
    assert (created.status_code, created.headers["upload-offset"]) == (201, "100")
    assert created.headers["upload-limit"] == f"max-size={LARGEST[Target.BATCH]}, max-age={7 * 86400}"
    upload = created.headers["location"]
    more = await shop.bus.append(upload, 100, raw[100:500])
    assert (more.status_code, more.headers["upload-offset"], more.headers["upload-complete"]) == (204, "500", "?0")
    assert await _batches(shop) == 0
    done = await shop.bus.append(upload, 500, raw[500:], complete=True)
    assert (done.status_code, done.headers["upload-complete"]) == (201, "?1")
    receipt = BatchReceipt.model_validate_json(done.content)
    assert (receipt.device, receipt.number, receipt.repeated) == ("BUS-A-0001", 1, False)
    async with shop.database.reading() as session:
        row = await session.get(BatchRow, ("BUS-A-0001", 1))
    assert shop.files.raw.read(row.stored_as) == raw
    assert _unfinished(shop) == 0


async def test_all_in_the_first_request_is_answered_at_once(shop: Any) -> None:
    raw = _batch(shop)
    done = await shop.bus.create("/uploads/batches", raw, first=raw, complete=True)
    assert (done.status_code, done.headers["upload-complete"]) == (201, "?1")
    assert BatchReceipt.model_validate_json(done.content).number == 1


async def test_after_an_interruption_it_goes_on_from_the_offset_the_service_says(shop: Any) -> None:
    raw = _batch(shop)
    upload = (await shop.bus.create("/uploads/batches", raw)).headers["location"]

    await shop.bus.cut_off(shop.app, upload, raw[:200])
    shop.restarted()
    offset = await shop.bus.offset(upload)
    assert offset == 200
    assert (await shop.bus.append(upload, offset, raw[offset:], complete=True)).status_code == 201


async def test_who_lost_the_place_creates_it_again_and_gets_the_same(shop: Any) -> None:
    raw = _batch(shop)
    first = await shop.bus.create("/uploads/batches", raw, first=raw[:300])
    again = await shop.bus.create("/uploads/batches", raw, first=raw, complete=True)
    assert (again.status_code, again.headers["upload-offset"]) == (201, "300")
    assert again.headers["location"] == first.headers["location"]
    assert await shop.bus.offset(first.headers["location"]) == 300


async def test_another_offset_is_refused_with_the_right_one(shop: Any) -> None:
    raw = _batch(shop)
    upload = (await shop.bus.create("/uploads/batches", raw, first=raw[:300])).headers["location"]
    refused = await shop.bus.append(upload, 200, raw[200:], complete=True)
    assert (refused.status_code, refused.json()["reason"]) == (409, "mismatching_upload_offset")
    assert (refused.headers["upload-offset"], refused.headers["upload-complete"]) == ("300", "?0")


async def test_a_completed_upload_answers_the_same_and_takes_nothing_more(shop: Any) -> None:
    raw = _batch(shop)
    upload = (await shop.bus.create("/uploads/batches", raw, first=raw)).headers["location"]
    early = await shop.bus.send("GET", upload, {})
    assert (early.status_code, early.json()["reason"]) == (409, "upload_not_complete")
    done = await shop.bus.append(upload, len(raw), b"", complete=True)
    heard_again = await shop.bus.send("GET", upload, {})
    assert (heard_again.status_code, heard_again.content) == (done.status_code, done.content)
    head = await shop.bus.send("HEAD", upload, {})
    assert (head.headers["upload-complete"], head.headers["upload-offset"]) == ("?1", str(len(raw)))
    refused = await shop.bus.append(upload, len(raw), b"x")
    assert (refused.status_code, refused.json()["reason"]) == (409, "upload_ended")


async def test_who_did_not_hear_the_answer_gets_it_by_creating_the_same_again(shop: Any) -> None:
    raw = _batch(shop)
    done = await shop.bus.create("/uploads/batches", raw, first=raw, complete=True)
    again = await shop.bus.create("/uploads/batches", raw)
    assert (again.status_code, again.content, again.headers["upload-complete"]) == (201, done.content, "?1")
    assert (await _batches(shop), _unfinished(shop)) == (1, 0)


async def test_what_was_refused_may_be_uploaded_anew(shop: Any) -> None:
    raw = _batch(shop)
    upload = (await shop.bus.create("/uploads/batches", raw)).headers["location"]
    await shop.bus.append(upload, 0, raw[:-1] + b"\x00", complete=True)
    again = await shop.bus.create("/uploads/batches", raw, first=raw, complete=True)
    assert again.status_code == 201
    assert await _batches(shop) == 1


async def test_damaged_content_is_refused_and_nothing_is_taken(shop: Any) -> None:
    raw = _batch(shop)
    upload = (await shop.bus.create("/uploads/batches", raw)).headers["location"]
    refused = await shop.bus.append(upload, 0, raw[:-1] + b"\x00", complete=True)
    assert (refused.status_code, refused.json()["reason"]) == (422, "digest_wrong")
    assert refused.headers["upload-complete"] == "?1"
    assert (await _batches(shop), _unfinished(shop)) == (0, 0)


async def test_a_malformed_batch_is_refused_with_its_faults(shop: Any) -> None:
    raw = b"CCB1" + bytes(200)
    refused = await shop.bus.create("/uploads/batches", raw, first=raw, complete=True)
    assert (refused.status_code, refused.json()["reason"]) == (422, "malformed_batch")
    assert (refused.headers["content-type"], refused.headers["upload-complete"]) == ("application/problem+json", "?1")


async def test_too_large_a_length_is_refused_before_anything_is_read(shop: Any) -> None:
    async def never_read() -> AsyncIterator[bytes]:
        raise AssertionError("the service read on")
        yield b""

    headers = {
        "Upload-Complete": "?0",
        "Upload-Length": str(LARGEST[Target.BATCH] + 1),
        "Repr-Digest": "sha-256=:" + "A" * 43 + "=:",
    }
    refused = await shop.bus.send("POST", "/uploads/batches", headers, never_read())
    assert (refused.status_code, refused.json()["reason"]) == (413, "upload_too_large")
    assert refused.headers["upload-limit"].startswith(f"max-size={LARGEST[Target.BATCH]}")


async def test_more_than_was_declared_ends_the_upload(shop: Any) -> None:
    raw = _batch(shop)
    upload = (await shop.bus.create("/uploads/batches", raw)).headers["location"]
    refused = await shop.bus.append(upload, 0, raw + b"x")
    assert (refused.status_code, refused.json()["reason"]) == (413, "upload_too_large")
    assert (await shop.bus.send("HEAD", upload, {})).status_code == 404
    assert _unfinished(shop) == 0


async def test_less_than_was_declared_is_not_complete(shop: Any) -> None:
    raw = _batch(shop)
    upload = (await shop.bus.create("/uploads/batches", raw)).headers["location"]
    refused = await shop.bus.append(upload, 0, raw[:-1], complete=True)
    assert (refused.status_code, refused.json()["reason"]) == (400, "inconsistent_upload_length")
    assert refused.headers["upload-complete"] == "?0"
    assert (await shop.bus.append(upload, len(raw) - 1, raw[-1:], complete=True)).status_code == 201


async def test_an_upload_is_its_owners_alone(shop: Any) -> None:
    raw = _batch(shop)
    upload = (await shop.bus.create("/uploads/batches", raw)).headers["location"]
    shop.bus.name = "BUS-B-0001"
    for answer in (await shop.bus.send("HEAD", upload, {}), await shop.bus.append(upload, 0, raw)):
        assert answer.status_code == 404


async def test_a_head_that_was_not_signed_by_the_device_is_turned_away(shop: Any) -> None:
    raw = _batch(shop)
    created = await shop.bus.create("/uploads/batches", raw)
    shop.bus.key = Ed25519PrivateKey.generate()
    assert (await shop.bus.append(created.headers["location"], 0, raw)).status_code == 401
    assert (await shop.bus.create("/uploads/batches", raw)).status_code == 401


async def test_an_abandoned_upload_goes_away(shop: Any) -> None:
    raw = _batch(shop)
    upload = (await shop.bus.create("/uploads/batches", raw, first=raw[:10])).headers["location"]
    assert (await shop.bus.send("DELETE", upload, {})).status_code == 204
    assert (await shop.bus.send("HEAD", upload, {})).status_code == 404
    assert _unfinished(shop) == 0


async def test_an_upload_expires_and_its_bytes_with_it(shop: Any) -> None:
    raw = _batch(shop)
    upload = (await shop.bus.create("/uploads/batches", raw, first=raw[:10])).headers["location"]
    shop.bus.now = (datetime.fromisoformat(shop.bus.now) + timedelta(days=7)).isoformat()
    assert (await shop.bus.send("HEAD", upload, {})).status_code == 404
    await shop.bus.create("/uploads/batches", _batch(shop, 2, 1))
    async with shop.database.reading() as session:
        assert await session.scalar(select(func.count()).select_from(UploadRow)) == 1
    assert _unfinished(shop) == 1


async def test_one_owner_has_so_many_unfinished_at_most(shop: Any) -> None:
    for number in range(OPEN_UPLOADS):
        assert (await shop.bus.create("/uploads/batches", _batch(shop, number + 1, number))).status_code == 201
    refused = await shop.bus.create("/uploads/batches", _batch(shop, 99, 99))
    assert (refused.status_code, refused.json()["reason"]) == (429, "too_many_uploads")


async def test_the_later_of_two_requests_is_served_and_the_earlier_stops(shop: Any) -> None:
    """A client that thinks its connection is dead begins again while the old request still hangs."""
    raw = _batch(shop)
    upload = (await shop.bus.create("/uploads/batches", raw)).headers["location"]
    served: list[Any] = []

    async def slow() -> AsyncIterator[bytes]:
        yield raw[:100]
        offset = await shop.bus.offset(upload)
        served.append(offset)
        served.append(await shop.bus.append(upload, offset, raw[offset:300]))
        yield raw[100:400]

    stopped = await shop.bus.append(upload, 0, slow())
    assert served[1].status_code == 204
    assert stopped.headers["upload-complete"] == "?0"
    assert await shop.bus.offset(upload) == 300
    assert (await shop.bus.append(upload, 300, raw[300:], complete=True)).status_code == 201
