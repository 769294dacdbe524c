"""When each card was used last, out of the cleared records, and which are dormant.

Years of records are read once: what was found is kept as a file with the names it followed from, and only files that are new
are read then. The file may be thrown away.
"""

from __future__ import annotations

import json
import os
import uuid
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq

from clearing.day.schema import CARD_LENGTH
from clearing.reports.requirements import DORMANT_YEARS

LAST_USE = pa.schema(
    [
        ("card", pa.binary(CARD_LENGTH)),  # issuer id ‖ application serial
        ("business_day", pa.int32()),  # days since 1970
        ("at", pa.int64()),
        ("balance", pa.int64()),  # fen on the card after it, as the card itself said
    ]
)
"""A row for each card that was ever used: a ride, a metro entry or a load that was accepted."""

ISSUER_LENGTH = 8
NAMED = 50
"""Dormant cards that a page names. Ours."""

# Of two transactions in one second the card's own counter tells which was later, loads and taps each by their own.
_NEWEST = """
SELECT card, max(business_day)::INTEGER AS business_day, max("at")::BIGINT AS "at",
    arg_max(balance, ("at", card_sequence))::BIGINT AS balance
FROM (
    SELECT card, business_day, "at", balance, -1 AS card_sequence FROM known
    UNION ALL
    SELECT card, business_day, "at", CASE WHEN load THEN balance_before + amount ELSE balance_before - amount END,
        card_sequence
    FROM read_parquet($1) WHERE settled
)
GROUP BY card ORDER BY card
"""


def last_use(files: Sequence[Path], known: pa.Table | None = None) -> pa.Table:
    """``LAST_USE`` in order of card: of ``files`` (cleared records) and what was ``known`` before them."""
    known = LAST_USE.empty_table() if known is None else known
    if not files:
        return known
    with duckdb.connect() as connection:
        connection.register("known", known)
        found = connection.sql(_NEWEST, params=[[str(path) for path in files]]).to_arrow_table()
    return found.cast(LAST_USE).combine_chunks()


@dataclass(frozen=True, slots=True)
class LastUses:
    """Kept in ``folder``; ``results``: below which the cleared files lie."""

    folder: Path
    results: Path

    def through(self, names: Collection[str]) -> pa.Table:
        """``LAST_USE`` of the cleared files of those names; only ones that were not read before are read."""
        kept = self._kept()
        if not set(kept) <= set(names):
            kept = []  # something that was counted is no result of a window any more
        known = pq.read_table(self._table) if kept else None
        new = sorted(set(names) - set(kept))
        if not new and known is not None:
            return known
        table = last_use([self.results / name for name in new], known)
        self._keep(table, sorted(names))
        return table

    @property
    def _table(self) -> Path:
        return self.folder / "last-use.parquet"

    def _kept(self) -> list[str]:
        """The names stand in the table itself, so that the two are never of different times."""
        if not self._table.exists():
            return []
        names: list[str] = json.loads((pq.read_schema(self._table).metadata or {}).get(b"files", b"[]"))
        return names

    def _keep(self, table: pa.Table, names: list[str]) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        unfinished = self.folder / f".{uuid.uuid4().hex}"
        pq.write_table(table.replace_schema_metadata({"files": json.dumps(names)}), unfinished)
        os.replace(unfinished, self._table)


@dataclass(frozen=True, slots=True)
class Dormant:
    """``since``: not used on or after it. ``minor``: what is on these cards by their last records. ``longest``: those unused
    for longest, (application serial, last business day, fen). ``used``: cards that were ever used."""

    since: date
    cards: int
    minor: int
    used: int
    longest: tuple[tuple[bytes, date, int], ...]


def dormant(uses: pa.Table, as_of: date, *, years: int = DORMANT_YEARS.value) -> Dormant:
    """``uses``: at least the columns ``card``, ``business_day`` and ``balance`` of ``LAST_USE``, a row for each card. Cards
    used only after ``as_of`` are not looked at."""
    since = _years_before(as_of, years)
    with duckdb.connect() as connection:
        connection.register("uses", uses)
        ((cards, minor, used),) = connection.execute(_DORMANT, [_day_number(since), _day_number(as_of)]).fetchall()
        longest = connection.execute(_LONGEST, [_day_number(since), NAMED]).fetchall()
    named = tuple((card[ISSUER_LENGTH:], _EPOCH + timedelta(days=day), balance) for card, day, balance in longest)
    return Dormant(since, cards, minor, used, named)


_DORMANT = """
SELECT count(*) FILTER (business_day < $1), coalesce(sum(balance) FILTER (business_day < $1), 0)::BIGINT, count(*)
FROM uses WHERE business_day <= $2
"""


_LONGEST = "SELECT card, business_day, balance FROM uses WHERE business_day < $1 ORDER BY business_day, card LIMIT $2"
_EPOCH = date(1970, 1, 1)


def _day_number(day: date) -> int:
    return (day - _EPOCH).days


def _years_before(day: date, years: int) -> date:
    """29 February becomes the 28th."""
    try:
        return day.replace(year=day.year - years)
    except ValueError:
        return day.replace(year=day.year - years, day=28)
