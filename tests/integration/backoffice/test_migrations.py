"""A database that was migrated is the database the tables declare, down to each check and index."""

from __future__ import annotations

import importlib
import re
from collections.abc import Callable
from pathlib import Path

import pytest
from sqlalchemy import URL, Connection, NullPool, text
from sqlalchemy.ext.asyncio import create_async_engine

import clearing.app  # noqa: F401 (declares every table of its service)
import issuing.app  # noqa: F401
from backoffice.database import SERVICES, prepare

# What the server itself says of a schema; names of the version table are Alembic's.
_CATALOG = """
SELECT 'column', c.relname, a.attname, format_type(a.atttypid, a.atttypmod), a.attnotnull::text, a.attidentity::text,
       coalesce(pg_get_expr(d.adbin, d.adrelid), '')
  FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid LEFT JOIN pg_attrdef d ON (d.adrelid, d.adnum) = (c.oid, a.attnum)
 WHERE c.relnamespace = CAST(CAST(:schema AS text) AS regnamespace) AND c.relkind = 'r' AND a.attnum > 0 AND NOT a.attisdropped
UNION ALL
SELECT 'constraint', c.relname, k.conname, pg_get_constraintdef(k.oid), '', '', ''
  FROM pg_constraint k JOIN pg_class c ON c.oid = k.conrelid WHERE c.relnamespace = CAST(CAST(:schema AS text) AS regnamespace)
UNION ALL
SELECT 'index', i.tablename, i.indexname, i.indexdef, '', '', '' FROM pg_indexes i WHERE i.schemaname = CAST(:schema AS text)
UNION ALL
SELECT 'sequence', s.sequencename, '', s.min_value::text, s.increment_by::text, s.start_value::text, ''
  FROM pg_sequences s WHERE s.schemaname = CAST(:schema AS text)
"""


@pytest.fixture
async def declared(administrator: URL, role_urls: dict[str, URL]) -> URL:
    """Owner's way to a second database of the same server, not migrated."""
    passwords = {role: str(url.password) for role, url in role_urls.items()}
    await prepare(administrator, passwords, "declared")
    return role_urls["owner"].set(database="declared")


@pytest.mark.parametrize("schema", SERVICES)
async def test_the_migrated_schema_is_the_declared_one(role_urls: dict[str, URL], declared: URL, schema: str) -> None:
    metadata = importlib.import_module(f"{schema}.base").Base.metadata

    def create(connection: Connection) -> None:
        metadata.drop_all(connection)
        metadata.create_all(connection)

    wanted = await _catalog(declared, schema, create)
    found = await _catalog(role_urls["owner"], schema)
    assert len(wanted) > 50
    assert found == wanted


async def _catalog(url: URL, schema: str, first: Callable[[Connection], None] | None = None) -> list[tuple[str, ...]]:
    engine = create_async_engine(url, poolclass=NullPool)
    async with engine.begin() as connection:
        if first is not None:
            await connection.run_sync(first)
        rows = await connection.execute(text(_CATALOG), {"schema": schema})
        found = sorted(tuple(row) for row in rows if row[1] != "alembic_version")
    await engine.dispose()
    return found


@pytest.mark.parametrize("schema", SERVICES)
def test_a_migration_stands_alone(schema: str) -> None:
    """One that used today's tables would make tomorrow's, and its successor would find them there already."""
    folder = Path(importlib.import_module(schema).__path__[0]) / "migrations" / "versions"
    files = list(folder.glob("*.py"))
    assert len(files) > 5
    for file in files:
        imports = re.findall(r"^(?:from|import) (\S+)", file.read_text(), re.MULTILINE)
        assert not [name for name in imports if name.split(".")[0] in SERVICES], file.name
