"""Alembic without a configuration file: each service keeps its migrations in ``<service>/migrations``.

Each word of a service has a branch of its own (``<word>_0001.py``, ``down_revision = None``), so words grow apart.
"""

from __future__ import annotations

import asyncio

from alembic import command, context, op
from alembic.config import Config
from sqlalchemy import URL, Connection, NullPool, text
from sqlalchemy.ext.asyncio import create_async_engine


def grant(table: str, rights: str, *, schema: str) -> None:
    """In a migration: give the service's own role ``rights`` (e.g. ``"SELECT, INSERT"``) on ``schema.table``."""
    op.execute(f"GRANT {rights} ON {schema}.{table} TO {schema}")


def show_reader_only(table: str, columns: str, *, schema: str) -> None:
    """In a migration: role reader sees these columns of ``schema.table`` and no other (by default it sees all)."""
    op.execute(f"REVOKE SELECT ON {schema}.{table} FROM reader")  # noqa: S608 (names of ours)
    op.execute(f"GRANT SELECT ({columns}) ON {schema}.{table} TO reader")


def run_in_environment() -> None:
    """The body of every ``migrations/env.py``."""
    connection: Connection = context.config.attributes["connection"]
    schema: str = context.config.attributes["schema"]
    context.configure(
        connection=connection,
        version_table_schema=schema,
        transaction_per_migration=False,
    )
    with context.begin_transaction():
        context.run_migrations()


def _configuration(schema: str) -> Config:
    configuration = Config()
    configuration.set_main_option("script_location", f"{schema}:migrations")
    configuration.set_main_option("path_separator", "os")
    configuration.attributes["schema"] = schema
    return configuration


def _upgrade(connection: Connection, schema: str) -> None:
    configuration = _configuration(schema)
    configuration.attributes["connection"] = connection
    command.upgrade(configuration, "heads")


async def upgrade(owner: URL, schema: str) -> None:
    """Bring ``schema`` to its newest form, as role owner. Harmless to repeat; two at once wait for one another."""
    engine = create_async_engine(owner, poolclass=NullPool, hide_parameters=True)
    try:
        async with engine.begin() as connection:
            await connection.execute(text("SELECT pg_advisory_xact_lock(727002)"))
            await connection.run_sync(_upgrade, schema)
    finally:
        await engine.dispose()


def upgrade_now(owner: URL, *schemas: str) -> None:
    """``upgrade`` from outside an event loop."""

    async def run() -> None:
        for schema in schemas:
            await upgrade(owner, schema)

    asyncio.run(run())
