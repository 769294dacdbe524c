"""A set of batches ends as the same batches one by one: what is taken, refused, in conflict and missing."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from backoffice.problems import Refused
from clearing.devices.tables import DeviceRow
from clearing.intake import queries
from clearing.intake.service import Conflict, take_batch
from clearing.intake.sets import Faults, take_batches
from clearing.intake.store import RawStore
from clearing.intake.tables import LoadRecordRow, OpenGapRow
from rulebook.batch import seal
from rulebook.messages.devices import BatchReceipt
from rulebook.record import Event, Kind, Outcome, Record

NOW = datetime(2026, 9, 15, tzinfo=UTC)
DEVICES = ("D-1", "D-2")
SETS, BATCHES = 12, 4


@dataclass
class Fleet:
    """The same devices twice, under two letters: ``A`` brings batches one by one, ``B`` in sets."""

    keys: dict[str, Ed25519PrivateKey]

    @classmethod
    def enrolled(cls, session: AsyncSession) -> Fleet:
        keys = {f"{letter}{name}": Ed25519PrivateKey.generate() for letter in "AB" for name in DEVICES}
        for name, key in keys.items():
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
        return cls(keys)

    def sealed(self, letter: str, batch: _Batch) -> bytes:
        name = letter + batch.device
        records = [
            _record(name, n, batch.amount if n == batch.last else 100) for n in range(batch.first, batch.last + 1)
        ]
        signer = name if batch.signed else letter + DEVICES[batch.device == DEVICES[0]]
        raw = seal(name, batch.number, records, self.keys[signer].sign)
        return raw[:-70] if batch.cut_off else raw


@dataclass(frozen=True)
class _Batch:
    device: str
    number: int
    first: int
    last: int
    amount: int = 100
    signed: bool = True
    cut_off: bool = False


def _record(device: str, sequence: int, amount: int) -> Record:
    return Record(
        kind=Kind.OUTCOME,
        event=Event.LOAD if sequence % 5 == 0 else Event.RIDE,
        outcome=Outcome.DONE,
        device=device,
        journal_sequence=sequence,
        issuer=bytes(8),
        serial=bytes(10),
        key_version=1,
        algorithm=0,
        transaction_type=9,
        amount_minor=amount,
        balance_before_minor=5000,
        card_sequence=sequence,
        sam_terminal=bytes(6),
        date=bytes(4),
        time=bytes(3),
    )


def _drawn(random: np.random.Generator) -> _Batch:
    """Of few numbers, so that many repeat, overlap and differ."""
    number = int(random.integers(0, 7))
    first = int(random.integers(0, 15))
    return _Batch(
        device=str(random.choice(DEVICES)),
        number=number,
        first=first,
        last=first + int(random.integers(0, 5)),
        amount=100 + int(random.random() < 0.1),
        signed=bool(random.random() < 0.95),
        cut_off=bool(random.random() < 0.05),
    )


async def _one_by_one(session: AsyncSession, store: RawStore, raws: Sequence[tuple[str, bytes]]) -> list[Any]:
    found: list[Any] = []
    for device, raw in raws:
        try:
            found.append(await take_batch(session, store, raw, device=device, window=1, now=NOW))
        except Refused as refused:
            found.append(Faults(tuple(error["message"] for error in refused.problem.errors)))
    return found


def _plain(answer: Any) -> Any:
    """Without the letter."""
    if isinstance(answer, BatchReceipt):
        return answer.device[1:], answer.number, answer.repeated
    assert isinstance(answer, Conflict | Faults)
    return type(answer), [fault.replace("AD-", "D-").replace("BD-", "D-") for fault in answer.faults]


async def _state(session: AsyncSession, letter: str) -> Any:
    batches = [
        (row.device[1:], row.number, row.first_sequence, row.last_sequence, row.count, row.amount_sum_minor, row.window)
        for row in await queries.batches(session)
        if row.device.startswith(letter)
    ]
    conflicts = [
        (row.device[1:], row.number, row.faults.replace(f"{letter}D-", "D-"))
        for row in await queries.conflicts(session)
        if row.device.startswith(letter)
    ]
    gaps = [
        (gap.device[1:], gap.series, gap.first, gap.last)
        for gap in await queries.open_gaps(session)
        if gap.device.startswith(letter)
    ]
    loads = await session.scalars(select(LoadRecordRow).order_by(LoadRecordRow.device, LoadRecordRow.journal_sequence))
    return (
        batches,
        sorted(conflicts),
        gaps,
        [(row.device[1:], row.journal_sequence) for row in loads if row.device.startswith(letter)],
    )


@pytest.mark.parametrize("seed", range(6))
async def test_a_set_is_as_its_batches_one_by_one(clearing_session: AsyncSession, tmp_path: Path, seed: int) -> None:
    random = np.random.default_rng(seed)
    fleet, store = Fleet.enrolled(clearing_session), RawStore(tmp_path / "raw")
    await clearing_session.flush()
    kinds = set()
    for _ in range(SETS):
        drawn = [_drawn(random) for _ in range(BATCHES)]
        by_one = [("A" + batch.device, fleet.sealed("A", batch)) for batch in drawn]
        expected = await _one_by_one(clearing_session, store, by_one)
        raws = [fleet.sealed("B", batch) for batch in drawn]
        found = await take_batches(clearing_session, store, raws, window=1, now=NOW)
        assert list(map(_plain, found)) == list(map(_plain, expected))
        assert await _state(clearing_session, "B") == await _state(clearing_session, "A")
        kinds |= {type(answer) for answer in found}
    assert kinds == {BatchReceipt, Conflict, Faults}
    for row in await queries.batches(clearing_session):
        assert store.read(row.stored_as)[4:16].startswith(row.device.encode())


async def test_a_device_that_is_not_enrolled_is_not_listened_to(clearing_session: AsyncSession, tmp_path: Path) -> None:
    fleet, store = Fleet.enrolled(clearing_session), RawStore(tmp_path / "raw")
    await clearing_session.flush()
    row = await clearing_session.get(DeviceRow, "BD-1")
    assert row is not None
    row.state, row.lost_at = "lost", NOW
    await clearing_session.flush()
    batch = _Batch("D-1", 1, 1, 2)
    raws = [fleet.sealed("B", batch), fleet.sealed("B", replace(batch, device="D-2"))]
    lost, taken = await take_batches(clearing_session, store, raws, window=1, now=NOW)
    assert isinstance(lost, Faults)
    assert isinstance(taken, BatchReceipt)


async def test_nothing_at_all_is_a_set_too(clearing_session: AsyncSession, tmp_path: Path) -> None:
    assert await take_batches(clearing_session, RawStore(tmp_path), [], window=1, now=NOW) == []
    assert (await clearing_session.scalars(select(OpenGapRow))).all() == []
