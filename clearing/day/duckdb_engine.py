"""DuckDB inside the process: the default engine."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import ibis
import ibis.expr.types as ir
import pyarrow as pa
from ibis.backends.duckdb import Backend

from clearing.day.proof import Keys, macs_right
from clearing.day.schema import Columns, Flags


class DuckDbEngine:
    """``memory`` and ``threads`` are those of one session, as DuckDB writes them; what does not fit goes to ``spill``."""

    def __init__(self, *, spill: Path, memory: str = "1GB", threads: int = 1) -> None:
        self._settings = {"memory_limit": memory, "threads": threads, "temp_directory": str(spill)}

    @contextmanager
    def session(self) -> Iterator[DuckDbSession]:
        backend = ibis.duckdb.connect(**self._settings)
        try:
            yield DuckDbSession(backend)
        finally:
            backend.disconnect()

    def macs_right(self, entries: Columns, keys: Keys) -> Flags:
        return macs_right(entries, keys)


class DuckDbSession:
    def __init__(self, backend: Backend) -> None:
        self._backend = backend

    def table(self, name: str, rows: pa.Table) -> ir.Table:
        self._backend.con.register(name, rows)
        return self._backend.table(name)

    def kept(self, name: str, expression: ir.Table) -> ir.Table:
        return self._backend.create_table(name, expression, temp=True)

    def answer(self, expression: ir.Table) -> pa.Table:
        return self._backend.to_pyarrow(expression)
