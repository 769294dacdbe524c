"""What a computation leaves for people: sums of the dry run, traces, and the files whose entries are posted."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from datetime import date
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa

from clearing.day.parquet import Written
from clearing.restatement.workshop import Example, Restated, read_entries


@dataclass(frozen=True, slots=True)
class Total:
    """Fen of one business day, operator, line, kind and bearer (empty: holders); ``entries`` say it in the ledger."""

    business_day: date
    operator: str
    line: str
    kind: str
    bearer: str
    minor: int
    rides: int
    entries: int


@dataclass(frozen=True, slots=True)
class Computed:
    """``groups``: of each of ``files``, how many pieces it is posted in, each one a transaction."""

    files: tuple[Written, ...]
    rides: int
    unpriceable: int
    groups: tuple[int, ...]
    totals: tuple[Total, ...]
    examples: tuple[Example, ...]

    @classmethod
    def of(cls, restated: Restated, folder: Path) -> Computed:
        files = tuple(day.entries for day in restated.days)
        return cls(
            files=files,
            rides=sum(day.rides for day in restated.days),
            unpriceable=sum(day.unpriceable for day in restated.days),
            groups=tuple(read_entries(folder, file).num_row_groups for file in files),
            totals=totals(files, folder),
            examples=restated.examples,
        )

    @property
    def pieces(self) -> int:
        return sum(self.groups)

    def piece(self, number: int, folder: Path) -> pa.Table:
        """The ``number``th of them all, as ``entries.ENTRY``. Raises ``EntriesDiffer``."""
        for file, groups in zip(self.files, self.groups, strict=True):
            if number < groups:
                return read_entries(folder, file).read_row_group(number)
            number -= groups
        raise IndexError(f"there are {self.pieces} pieces")

    def to_json(self) -> dict[str, Any]:
        plain = asdict(self)
        plain["totals"] = [total | {"business_day": f"{total['business_day']:%F}"} for total in plain["totals"]]
        return plain

    @classmethod
    def from_json(cls, plain: dict[str, Any]) -> Computed:
        """What ``to_json`` gave."""
        return cls(
            files=tuple(Written(**file) for file in plain["files"]),
            rides=plain["rides"],
            unpriceable=plain["unpriceable"],
            groups=tuple(plain["groups"]),
            totals=tuple(Total(**_dated(total)) for total in plain["totals"]),
            examples=tuple(
                Example(**one | {"zh": tuple(one["zh"]), "en": tuple(one["en"])}) for one in plain["examples"]
            ),
        )


_TOTALS = """
SELECT business_day, operator, line, kind, CASE kind WHEN 'refund' THEN '' ELSE whom END AS bearer,
    sum(minor)::BIGINT AS minor, sum(rides)::BIGINT AS rides, count(*) FILTER (debit <> '')::BIGINT AS entries
FROM read_parquet($1) GROUP BY ALL ORDER BY ALL
"""


def totals(files: tuple[Written, ...], folder: Path) -> tuple[Total, ...]:
    """In order of their fields."""
    if not files:
        return ()
    with duckdb.connect() as connection:
        found = connection.sql(_TOTALS, params=[[str(folder / file.name) for file in files]]).to_arrow_table()
    return tuple(Total(**row) for row in found.to_pylist())


def _dated(total: dict[str, Any]) -> dict[str, Any]:
    return total | {"business_day": date.fromisoformat(total["business_day"])}
