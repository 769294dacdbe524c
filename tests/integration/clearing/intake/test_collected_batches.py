"""What a depot brings: every batch answered for itself, over real PostgreSQL."""

from __future__ import annotations

import hashlib
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path

import httpx
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from pydantic import SecretStr
from sqlalchemy import select

from backoffice.database import Database
from backoffice.settings import Settings
from backoffice.web import Service, create_service_app
from clearing.base import accounts
from clearing.devices.key_change import ensure_key
from clearing.devices.parameter_keys import keys_in
from clearing.devices.tables import DeviceRow
from clearing.files import Files
from clearing.intake import collected
from clearing.intake.tables import BatchRow
from clearing.settlement.queries import ensure_open
from rulebook.batch import bundle, seal
from rulebook.messages.batches import BatchAnswer, BatchAnswers
from rulebook.messages.devices import BatchReceipt
from rulebook.record import Event, Kind, Record

NOW = datetime(2026, 9, 15, tzinfo=UTC)
CITY_SEED = 7
KEY = Ed25519PrivateKey.from_private_bytes(f"TEST-PARAMETER-KEY-{CITY_SEED:013}".encode())
KEYS = {name: Ed25519PrivateKey.from_private_bytes(name.encode().ljust(32, b"-")) for name in ("BUS-1", "BUS-2")}


def _record(device: str, amount: int = 100) -> Record:
    return Record(
        kind=Kind.INTENT,
        event=Event.RIDE,
        device=device,
        journal_sequence=1,
        issuer=bytes(8),
        serial=bytes(10),
        key_version=1,
        algorithm=0,
        transaction_type=9,
        amount_minor=amount,
        balance_before_minor=5000,
        card_sequence=7,
        sam_terminal=bytes(6),
        date=bytes(4),
        time=bytes(3),
    )


def _batch(device: str, number: int, count: int = 2, *, amount: int = 100) -> bytes:
    record = _record(device, amount)
    first = (number - 1) * count
    records = [
        Record.decode(record.encode()[:16] + (first + n + 1).to_bytes(4) + record.encode()[20:]) for n in range(count)
    ]
    return seal(device, number, records, KEYS[device].sign)


@pytest.fixture
async def client(clearing_database: Database, tmp_path: Path) -> AsyncIterator[httpx.AsyncClient]:
    settings = Settings(
        service_token=SecretStr("service-token-of-this-test"),
        session_secret=SecretStr("session-secret-of-this-test"),
        data_folder=tmp_path,
    )
    title = ("清算", "Clearing")
    service = Service(
        name="clearing", title=title, settings=settings, database=clearing_database, accounts=accounts, pages=()
    )
    app = create_service_app(service)
    app.include_router(collected.router)
    async with clearing_database.transaction() as session:
        await ensure_open(session, now=NOW)
        keys = keys_in(tmp_path)
        keys.make_test_key(CITY_SEED)
        await ensure_key(session, keys, now=NOW)
        for name, key in KEYS.items():
            session.add(
                DeviceRow(
                    device=name,
                    kind="validator",
                    operator="bus-a",
                    line="",
                    place="",
                    state="enrolled",
                    code_hash=bytes(32),
                    public_key=key.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw),
                    sam_serial=bytes(10),
                    terminal_number=bytes(6),
                    invited_at=NOW,
                    enrolled_at=NOW,
                )
            )
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://clearing") as found:
        yield found


async def _brought(client: httpx.AsyncClient, *batches: bytes) -> list[tuple[str, bool | None]]:
    """Of each whether it was a repeat, or the reason why it was refused."""
    response = await client.post("/batches/collected", content=bundle(batches))
    assert response.status_code == 200, response.text
    answers = BatchAnswers.model_validate_json(response.content).answers
    assert [answer.content_hash for answer in answers] == [hashlib.sha256(raw[:-64]).digest() for raw in batches]
    return [(answer.problem.reason, None) if answer.problem else ("", _trusted(answer).repeated) for answer in answers]


def _trusted(answer: BatchAnswer) -> BatchReceipt:
    assert answer.receipt is not None
    assert answer.receipt.key == 1
    KEY.public_key().verify(answer.receipt.signature, answer.receipt.signed_bytes())
    return answer.receipt.receipt


async def test_batches_of_many_devices_are_taken_each_with_its_receipt(
    client: httpx.AsyncClient, clearing_database: Database, tmp_path: Path
) -> None:
    batches = [_batch("BUS-1", 1), _batch("BUS-1", 2), _batch("BUS-2", 1)]
    assert await _brought(client, *batches) == [("", False)] * 3
    async with clearing_database.reading() as session:
        rows = (await session.scalars(select(BatchRow).order_by(BatchRow.device, BatchRow.number))).all()
    assert [Files(tmp_path / "clearing").raw.read(row.stored_as) for row in rows] == batches


async def test_one_that_is_refused_does_not_hold_up_the_others(client: httpx.AsyncClient) -> None:
    good, damaged, other = _batch("BUS-1", 1), bytearray(_batch("BUS-1", 2)), _batch("BUS-1", 1, amount=5)
    damaged[-1] ^= 1
    found = await _brought(client, bytes(damaged), good, other, good, _batch("BUS-2", 1))
    assert found == [
        ("malformed_batch", None),
        ("", False),
        ("repeated_with_other_content", None),
        ("", True),
        ("", False),
    ]


async def test_bringing_it_again_changes_nothing(client: httpx.AsyncClient) -> None:
    batches = [_batch("BUS-1", 1), _batch("BUS-2", 1)]
    await _brought(client, *batches)
    assert await _brought(client, *batches) == [("", True), ("", True)]


async def test_a_bundle_that_is_cut_off_is_refused_whole(client: httpx.AsyncClient) -> None:
    refused = await client.post("/batches/collected", content=_batch("BUS-1", 1) + _batch("BUS-2", 1)[:-1])
    assert (refused.status_code, refused.json()["reason"]) == (422, "malformed_bundle")
    assert await _brought(client, _batch("BUS-1", 1)) == [("", False)]


async def test_too_large_a_bundle_is_not_read_to_its_end(
    client: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("clearing.intake.collected.LARGEST_BUNDLE", 1000)

    async def endless() -> AsyncIterator[bytes]:
        yield _batch("BUS-1", 1, 5)
        raise AssertionError("the service read on")

    refused = await client.post("/batches/collected", content=endless())
    assert (refused.status_code, refused.json()["reason"]) == (413, "bundle_too_large")


async def test_a_bundle_of_more_devices_than_are_locked_at_once_is_refused_before_any_is(
    client: httpx.AsyncClient,
) -> None:
    """A stranger could otherwise use up the locks of the whole database by names alone."""
    strange = [seal(f"BUS-{number}", 1, [_record(f"BUS-{number}")], lambda _: bytes(64)) for number in range(257)]
    refused = await client.post("/batches/collected", content=bundle(strange))
    assert (refused.status_code, refused.json()["reason"]) == (413, "bundle_too_large")
    answered = await client.post("/batches/collected", content=bundle(strange[:256]))
    assert answered.status_code == 200
    assert {answer["problem"]["status"] for answer in answered.json()["answers"]} == {422}
