"""The device's journal: records in sequence, never changed, and the batches formed from them, in one SQLite file."""

from __future__ import annotations

import hashlib
import sqlite3
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from types import TracebackType

from rulebook.batch import batch
from rulebook.record import Event, Kind, MalformedRecord, Outcome, Record, Verdict

BATCH_LIMIT = 1000
_LOCK_WAIT_S = 0.1  # nobody else has business in this file, and a rider waits 300 ms in all
_SETTLED = frozenset({Outcome.DONE, Outcome.REFUSED, Outcome.VOID})

_SCHEMA = """
CREATE TABLE IF NOT EXISTS records (sequence INTEGER PRIMARY KEY, body BLOB NOT NULL) STRICT;
CREATE TRIGGER IF NOT EXISTS records_stay BEFORE UPDATE ON records
  BEGIN SELECT RAISE(ABORT, 'a journal record never changes'); END;
CREATE TRIGGER IF NOT EXISTS records_remain BEFORE DELETE ON records
  BEGIN SELECT RAISE(ABORT, 'a journal record is never deleted'); END;
CREATE TABLE IF NOT EXISTS batches (
  number INTEGER PRIMARY KEY, last_sequence INTEGER NOT NULL, body BLOB NOT NULL, uploaded INTEGER NOT NULL DEFAULT 0) STRICT;
CREATE TRIGGER IF NOT EXISTS batches_stay BEFORE UPDATE OF number, last_sequence, body ON batches
  BEGIN SELECT RAISE(ABORT, 'a batch is formed once'); END;
"""


class JournalDamaged(Exception):
    """A row of the file is no record any more; the file is to be kept for inspection and the device replaced."""


class JournalFailed(Exception):
    """The record could not be stored (disk full, file locked or gone): nothing may happen that it was to prove."""


@dataclass(frozen=True, slots=True)
class PendingBatch:
    """A batch to send; ``body`` is the same at every attempt."""

    number: int
    body: bytes

    @property
    def content_hash(self) -> bytes:
        """As ``rulebook.batch.Batch.content_hash``; the receipt must name it."""
        return hashlib.sha256(self.body[: -batch.SIGNATURE_LENGTH]).digest()


class Journal:
    """One device's journal; opened by one thread at a time. Every ``append`` is on disk when it returns
    (SQLite, WAL, synchronous=FULL), so it survives kill -9 and power loss. Raises ``JournalDamaged`` on opening."""

    def __init__(self, path: Path | str) -> None:
        self._database = sqlite3.connect(path, timeout=_LOCK_WAIT_S, isolation_level=None, check_same_thread=False)
        self._database.execute("PRAGMA journal_mode = WAL")
        self._database.execute("PRAGMA synchronous = FULL")
        self._database.executescript(_SCHEMA)
        self._pending: dict[int, Record] = {}
        self._last = 0
        for record in self._read("SELECT body FROM records ORDER BY sequence"):
            self._remember(record)

    @property
    def last_sequence(self) -> int:
        """The newest record's sequence; 0 when there is none. Sequences begin with 1 and have no gap."""
        return self._last

    @property
    def uploaded_sequence(self) -> int:
        """The newest record that clearing has acknowledged; 0 when there is none."""
        query = "SELECT coalesce(max(last_sequence), 0) FROM batches WHERE uploaded"
        last: int = self._database.execute(query).fetchone()[0]
        return last

    def append(self, draft: Record) -> int:
        """Store ``draft`` under the next sequence and answer that sequence. Durable when it returns. Raises
        ``JournalFailed``; the next record then takes that sequence, so that there is no gap."""
        record = replace(draft, journal_sequence=self._last + 1)
        row = (record.journal_sequence, record.encode())
        try:
            self._database.execute("INSERT INTO records VALUES (?, ?)", row)
        except sqlite3.Error as error:
            raise JournalFailed(f"record {record.journal_sequence} could not be stored: {error}") from error
        self._remember(record)
        return record.journal_sequence

    def records(self, first: int, last: int) -> tuple[Record, ...]:
        """Records with sequence from ``first`` to ``last``, both included."""
        query = "SELECT body FROM records WHERE sequence BETWEEN ? AND ? ORDER BY sequence"
        return tuple(self._read(query, first, last))

    def pending_intents(self) -> tuple[Record, ...]:
        """Intents to be finished at the card's next contact: without an outcome, with outcome UNKNOWN, or done with a MAC2
        that no PSAM judged; and no finding."""
        return tuple(self._pending.values())

    def pending_of(self, issuer: bytes, serial: bytes) -> Record | None:
        """The newest pending intent of one card."""
        return next((r for r in reversed(self._pending.values()) if (r.issuer, r.serial) == (issuer, serial)), None)

    def next_batch(
        self, device: str, sign: Callable[[bytes], bytes], *, limit: int = BATCH_LIMIT
    ) -> PendingBatch | None:
        """The oldest batch not yet acknowledged; else a new one of at most ``limit`` records, signed by ``sign`` and
        kept; None when everything is uploaded."""
        waiting = self._waiting(1)
        return waiting[0] if waiting else self._form(device, sign, limit)

    def waiting_batches(
        self, device: str, sign: Callable[[bytes], bytes], *, limit: int = BATCH_LIMIT
    ) -> tuple[PendingBatch, ...]:
        """Every batch not yet acknowledged, oldest first, all records there are in one of them: what is carried away where
        there is no network."""
        while self._form(device, sign, limit) is not None:
            pass
        return self._waiting(-1)

    def _waiting(self, count: int) -> tuple[PendingBatch, ...]:
        """At most ``count``; all for -1."""
        query = "SELECT number, body FROM batches WHERE NOT uploaded ORDER BY number LIMIT ?"
        return tuple(PendingBatch(*row) for row in self._database.execute(query, (count,)))

    def _form(self, device: str, sign: Callable[[bytes], bytes], limit: int) -> PendingBatch | None:
        """A new batch of the oldest records that are in none, kept; None where every record is in one."""
        number, sent = self._database.execute(
            "SELECT coalesce(max(number), 0), coalesce(max(last_sequence), 0) FROM batches"
        ).fetchone()
        records = self.records(sent + 1, sent + limit)
        if not records:
            return None
        body = batch.seal(device, number + 1, records, sign)
        self._database.execute(
            "INSERT INTO batches (number, last_sequence, body) VALUES (?, ?, ?)",
            (number + 1, records[-1].journal_sequence, body),
        )
        return PendingBatch(number + 1, body)

    def mark_uploaded(self, number: int) -> None:
        """Clearing has acknowledged the batch. A repeat changes nothing."""
        self._database.execute("UPDATE batches SET uploaded = 1 WHERE number = ?", (number,))

    def close(self) -> None:
        self._database.close()

    def __enter__(self) -> Journal:
        return self

    def __exit__(self, kind: type[BaseException] | None, value: BaseException | None, at: TracebackType | None) -> None:
        self.close()

    def _remember(self, record: Record) -> None:
        self._last = record.journal_sequence
        if record.kind is Kind.INTENT:
            self._pending[record.journal_sequence] = record
        elif _settles(record):
            self._pending.pop(record.refers_to, None)

    def _read(self, query: str, *parameters: int) -> Iterator[Record]:
        for (body,) in self._database.execute(query, parameters):
            try:
                yield Record.decode(body)
            except MalformedRecord as error:
                raise JournalDamaged(f"a row of the journal is no record: {error}") from error


def _settles(record: Record) -> bool:
    """A debit whose MAC2 no PSAM judged is done, yet nothing opened for it: it stays to be met again."""
    unopened = record.event is not Event.LOAD and record.mac2_verdict is Verdict.NOT_ASKED
    if record.kind is Kind.OUTCOME and record.outcome is Outcome.DONE and unopened:
        return False
    return record.kind is Kind.FINDING or record.outcome in _SETTLED
