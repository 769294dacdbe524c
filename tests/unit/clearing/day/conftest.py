"""A town's window cleared in columns: its journals as files, its registers in memory."""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from clearing.day.counters import COUNTER
from clearing.day.duckdb_engine import DuckDbEngine
from clearing.day.keys import bucket_of, keys_of
from clearing.day.model import CARDS, DayInputs, Stretch
from clearing.day.run import DayResult, Workshop
from clearing.day.schema import ENTRY, Columns, columns_of_table, stacked
from clearing.settlement.model import WindowInputs
from clearing.verification.context import Context, KnownCard, Settled, TransactionId
from rulebook.record import Record


@dataclass
class Memory:
    """Register and history that a test holds in its hand."""

    known: Mapping[tuple[bytes, bytes], KnownCard]
    of_bucket: dict[int, Columns] = field(default_factory=dict)
    posted: Mapping[TransactionId, Settled] = field(default_factory=dict)

    def cards(self, bucket: int) -> pa.Table:
        rows = [
            {"card": issuer + serial, "card_key_version": card.key_version, "rider_class": card.rider_class}
            for (issuer, serial), card in sorted(self.known.items())
            if bucket_of_card(issuer + serial) == bucket
        ]
        return pa.Table.from_pylist(rows, schema=CARDS)

    def counters(self, bucket: int) -> Columns:
        return self.of_bucket.get(bucket, stacked([], COUNTER))

    def settled(self, ids: Iterable[TransactionId]) -> dict[TransactionId, Settled]:
        return {id_: self.posted[id_] for id_ in ids if id_ in self.posted}


def bucket_of_card(card: bytes) -> int:
    nothing = np.zeros(1, dtype=np.int64)
    keys = keys_of(np.frombuffer(card, ENTRY["card"]), nothing, np.zeros(1, dtype=np.bool_), nothing)
    return int(bucket_of(keys)[0])


@dataclass
class Columnar:
    """``clear`` gives a window's inputs, as the object way takes them, to the columns."""

    folder: Path
    vault: Any
    batch: int = 4

    def clear(
        self, inputs: WindowInputs, *, memory: Memory | None = None, batches: Iterable[Any] | None = None
    ) -> DayResult:
        known = memory or Memory(inputs.context.cards, posted=inputs.context.settled)
        day = DayInputs(
            number=inputs.number,
            business_day=inputs.context.business_day,
            policy=inputs.context.policy,
            journals=tuple(batches) if batches is not None else self.stretches(inputs.records),
            waiting=self.stretches(inputs.waiting),
            devices=inputs.context.devices,
            sams=inputs.context.sams,
            deny=inputs.context.deny,
            tariffs=inputs.context.tariffs,
            register=known,
            history=known,
            covered=inputs.opening.journals,
            loads=inputs.context.loads,
            held=inputs.context.held,
            decided=inputs.context.decided,
        )
        return self.workshop(uuid.uuid4().hex).clear(day)

    def workshop(self, name: str) -> Workshop:
        engine = DuckDbEngine(spill=self.folder / "spill")
        return Workshop(self.folder / "results", self.folder / name, engine, self.vault)

    def stretches(self, records: Iterable[Record]) -> tuple[Stretch, ...]:
        """Some records to a file, as long as a journal goes on without a gap."""
        found: list[list[Record]] = []
        for record in sorted({(r.device, r.journal_sequence): r for r in records}.values(), key=_id):
            last = found[-1][-1] if found else None
            goes_on = last is not None and _id(last) == (record.device, record.journal_sequence - 1)
            if goes_on and len(found[-1]) < self.batch:
                found[-1].append(record)
            else:
                found.append([record])
        return tuple(self.stretch(part) for part in found)

    def stretch(self, records: list[Record]) -> Stretch:
        path = self.folder / f"{uuid.uuid4().hex}.batch"
        path.write_bytes(b"head" + b"".join(record.encode() for record in records))
        return Stretch(records[0].device, records[0].journal_sequence, len(records), path, 4)

    def counters(self, result: DayResult) -> dict[int, Columns]:
        """Of each bucket that was touched."""
        tables = {written.name: pq.read_table(self.folder / "results" / written.name) for written in result.counters}
        return {int(name.split("/")[1][:2]): columns_of_table(table) for name, table in tables.items()}

    def memory(self, context: Context, counters: dict[int, Columns], posted: Mapping[TransactionId, Settled]) -> Memory:
        return Memory(context.cards, counters, posted)


def _id(record: Record) -> tuple[str, int]:
    return (record.device, record.journal_sequence)


@pytest.fixture
def columnar(town: Any, tmp_path: Path) -> Columnar:
    return Columnar(tmp_path, town.vault)
