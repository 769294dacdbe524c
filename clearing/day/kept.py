"""What earlier windows left, read from their files."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq

from clearing.day.cleared import bucket_in
from clearing.day.counters import COUNTER
from clearing.day.keys import bucket_of, keys_of_ids
from clearing.day.model import CARDS
from clearing.day.parquet import Written
from clearing.day.posting import transaction_of
from clearing.day.schema import Columns, columns_of_table, stacked
from clearing.opening.before import from_before
from clearing.verification.context import ENDED_BEFORE, Settled, TransactionId
from clearing.verification.joining import Claim
from rulebook.record import Kind, Record


def by_bucket(folder: Path, files: Iterable[Written]) -> dict[int, Path]:
    """Where each bucket's file of ``files`` lies below ``folder``."""
    return {bucket_in(file.name): folder / file.name for file in files}


@dataclass(frozen=True, slots=True)
class KeptRegister:
    """Files by bucket; a bucket that is not named has none."""

    cards_files: Mapping[int, Path]
    counter_files: Mapping[int, Path]

    def cards(self, bucket: int) -> pa.Table:
        path = self.cards_files.get(bucket)
        return CARDS.empty_table() if path is None else pq.read_table(path, schema=CARDS)

    def counters(self, bucket: int) -> Columns:
        path = self.counter_files.get(bucket)
        return stacked([], COUNTER) if path is None else columns_of_table(pq.read_table(path))


@dataclass(frozen=True, slots=True)
class KeptHistory:
    """``cleared``: names of every file of cleared records below ``folder``, of all windows. ``raw``: a record by device and
    journal sequence, as it came. ``brought``: by bucket, the counters that a running city came with."""

    folder: Path
    cleared: Sequence[str]
    raw: Callable[[str, int], bytes]
    brought: Callable[[int], Columns]

    def settled(self, ids: Iterable[TransactionId]) -> dict[TransactionId, Settled]:
        """Those of ``ids`` that were posted, with what proved them, or are from before there were windows."""
        wanted = set(ids)
        posted = {id_: self._claim(row).settled for row in self._rows(wanted) if (id_ := transaction_of(row)) in wanted}
        return dict.fromkeys(from_before(wanted, self.brought), ENDED_BEFORE) | posted

    def _rows(self, ids: Collection[TransactionId]) -> list[dict[str, Any]]:
        keys = keys_of_ids(ids)
        buckets = {f"{bucket:02}-" for bucket in set(bucket_of(keys).tolist())}
        files = [str(self.folder / name) for name in self.cleared if Path(name).name[:3] in buckets]
        if not files:
            return []
        with duckdb.connect() as connection:
            connection.register("wanted", pa.table({"key": keys}))
            found: list[dict[str, Any]] = connection.sql(_POSTED, params=[files]).to_arrow_table().to_pylist()
        return found

    def _claim(self, row: dict[str, Any]) -> Claim:
        evidence = Record.decode(self.raw(row["device"], row["sequence"]))
        if evidence.kind is Kind.OUTCOME:
            return Claim(evidence, evidence)
        return Claim(Record.decode(self.raw(row["intent_device"], row["intent_sequence"])), evidence)


_POSTED = """
SELECT card, purse, load, card_sequence, device, sequence, intent_device, intent_sequence
FROM read_parquet($1) WHERE settled AND key IN (SELECT key FROM wanted)
"""
