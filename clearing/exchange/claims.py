"""A closed window's claims on other issuers, out of its cleared records and the batches as they came."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path

import duckdb
import pyarrow as pa

from clearing.day.keys import bucket_of, keys_of_ids
from clearing.day.posting import transaction_of
from clearing.exchange.packing import Claimed
from clearing.verification.context import TransactionId
from clearing.verification.joining import RecordId, join, record_id
from rulebook.record import Kind, Record

_EPOCH = date(1970, 1, 1)
# An outcome is claimed by itself; a finding needs every intent of its card transaction.
_CLAIMED = """
WITH cleared AS (SELECT * FROM read_parquet($1) WHERE NOT load)
SELECT device, sequence, operated_by, business_day, reason = $2
FROM cleared
WHERE reason = $2 OR key IN (SELECT key FROM cleared WHERE reason = $2 AND kind = $3)
ORDER BY device, sequence
"""


@dataclass(frozen=True, slots=True)
class ClaimedRows:
    """``records``: all that a claim may need, in order. ``ends``: of each that was claimed, operator and business day."""

    records: tuple[RecordId, ...]
    ends: Mapping[RecordId, tuple[str, date]]

    def claims(self, records: Iterable[Record]) -> list[Claimed]:
        """``records``: those named, as they came."""
        return [
            Claimed(claim, *self.ends[record_id(claim.evidence)])
            for transaction in join(records)
            for claim in transaction.claims()
            if record_id(claim.evidence) in self.ends
        ]


def claimed_rows(files: Sequence[Path], *, reason: str) -> ClaimedRows:
    """``files``: a window's cleared records. ``reason`` is what a claim ended with. Purchases only: loads are not
    exchanged."""
    if not files:
        return ClaimedRows((), {})
    with duckdb.connect() as connection:
        rows = connection.execute(_CLAIMED, [[str(path) for path in files], reason, Kind.FINDING]).fetchall()
    ends = {
        (device, sequence): (operator, _EPOCH + timedelta(days=day))
        for device, sequence, operator, day, is_claimed in rows
        if is_claimed
    }
    return ClaimedRows(tuple((device, sequence) for device, sequence, *_ in rows), ends)


def paid_in(files: Sequence[Path], ids: Collection[TransactionId]) -> set[TransactionId]:
    """Those of ``ids`` that our own windows have paid, or hold on "open taps". ``files``: cleared records of all windows."""
    keys = keys_of_ids(ids)
    buckets = {f"{bucket:02}-" for bucket in set(bucket_of(keys).tolist())}
    of_buckets = [str(path) for path in files if path.name[:3] in buckets]
    if not of_buckets:
        return set()
    with duckdb.connect() as connection:
        connection.register("wanted", pa.table({"key": keys}))
        rows = connection.sql(_PAID, params=[of_buckets]).to_arrow_table().to_pylist()
    return {transaction_of(row) for row in rows} & set(ids)


_PAID = """
SELECT card, purse, load, card_sequence FROM read_parquet($1)
WHERE (settled OR held) AND key IN (SELECT key FROM wanted)
"""
