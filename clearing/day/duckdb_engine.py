"""DuckDB inside the process: the default engine."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import duckdb
import pyarrow as pa

from clearing.day.proof import Keys, macs_right
from clearing.day.schema import Columns, Flags


class DuckDbEngine:
    """``memory`` and ``threads`` are those of one session, as DuckDB writes them; what does not fit goes to ``spill``."""

    dialect = "duckdb"

    def __init__(self, *, spill: Path, memory: str = "1GB", threads: int = 1) -> None:
        self._settings: dict[str, str | bool | int | float | list[str]] = {
            "memory_limit": memory,
            "threads": threads,
            "temp_directory": str(spill),
        }

    @contextmanager
    def session(self) -> Iterator[DuckDbSession]:
        with duckdb.connect(config=self._settings) as connection:
            yield DuckDbSession(connection)

    def macs_right(self, entries: Columns, keys: Keys) -> Flags:
        return macs_right(entries, keys)


class DuckDbSession:
    def __init__(self, connection: duckdb.DuckDBPyConnection) -> None:
        self._connection = connection

    def give(self, name: str, rows: pa.Table) -> None:
        self._connection.register(name, rows)

    def ask(self, query: str) -> pa.Table:
        return self._connection.sql(query).to_arrow_table()
