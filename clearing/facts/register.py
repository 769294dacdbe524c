"""The card register as the day's work reads it: Parquet by bucket of the card, named by its hash."""

from __future__ import annotations

import io
from typing import Any

import numpy as np
import pyarrow as pa
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from clearing.day import parquet
from clearing.day.keys import bucket_of, keys_of
from clearing.day.model import CARDS
from clearing.day.schema import CARD_LENGTH, arrow_column
from clearing.facts.tables import CardFactRow
from clearing.intake.store import RawStore

_ROW = np.dtype(
    [
        ("fields", ">i2"),
        ("card_length", ">i4"),
        ("card", f"V{CARD_LENGTH}"),
        ("version_length", ">i4"),
        ("version", ">i4"),
        ("class_length", ">i4"),
        ("class", ">i4"),
        ("valid_from_length", ">i4"),
        ("valid_from", ">i4"),
        ("valid_to_length", ">i4"),
        ("valid_to", ">i4"),
    ]
)
"""A row of PostgreSQL's binary COPY (its manual, "COPY", "Binary Format")."""

_HEAD, _TAIL = 19, 2
_COPY = """
SELECT issuer || serial, key_version, array_position($1::varchar[], rider_class) - 1,
    valid_from - DATE '1970-01-01', valid_to - DATE '1970-01-01'
FROM clearing.card_fact
WHERE octet_length(issuer || serial) = $2 ORDER BY issuer, serial
"""


async def card_register(session: AsyncSession, store: RawStore) -> dict[int, bytes]:
    """The hash of each bucket's file in ``store``; a bucket without cards has none."""
    classes = sorted((await session.scalars(select(CardFactRow.rider_class).distinct())).all())
    rows = np.frombuffer(await _copied(session, classes), _ROW)
    cards = np.ascontiguousarray(rows["card"])
    nothing = np.zeros(len(rows), dtype=np.int64)
    bucket = bucket_of(keys_of(cards, nothing, np.zeros(len(rows), dtype=np.bool_), nothing))
    return {one: _kept(store, cards[bucket == one], rows[bucket == one], classes) for one in np.unique(bucket).tolist()}


async def _copied(session: AsyncSession, classes: list[str]) -> bytes:
    """SQLAlchemy has no COPY; asyncpg, below it, has."""
    connection: Any = await (await session.connection()).get_raw_connection()
    image = io.BytesIO()
    await connection.driver_connection.copy_from_query(_COPY, classes, CARD_LENGTH, output=image, format="binary")
    return image.getvalue()[_HEAD:-_TAIL]


def _kept(store: RawStore, cards: np.ndarray[Any, Any], rows: np.ndarray[Any, Any], classes: list[str]) -> bytes:
    table = pa.table(
        [
            arrow_column(cards),
            pa.array(rows["version"].astype(np.int16)),
            pa.array(classes, pa.string()).take(pa.array(rows["class"].astype(np.int32))),
            pa.array(rows["valid_from"].astype(np.int32)),
            pa.array(rows["valid_to"].astype(np.int32)),
        ],
        schema=CARDS,
    )
    with store.begin() as incoming:
        incoming.write(parquet.image(table))
        return incoming.keep().sha256
