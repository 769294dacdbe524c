"""One server, two schemas, four roles, and sessions that commit at the edge.

Roles: ``owner`` owns both schemas and migrates; ``issuing`` and ``clearing`` see only their own schema; ``reader`` reads.
None is a superuser.
"""

from __future__ import annotations

import json
import secrets
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from sqlalchemy import URL, NullPool, Pool, text
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncSession, async_sessionmaker, create_async_engine

SERVICES = ("issuing", "clearing")
ROLES = ("owner", *SERVICES, "reader")


class ReadSession(AsyncSession):
    """A session in a read-only transaction."""


class Database:
    """A service's way to its schema."""

    def __init__(self, url: URL, *, poolclass: type[Pool] | None = None) -> None:
        self.engine = create_async_engine(url, poolclass=poolclass, hide_parameters=True)
        self._writing = async_sessionmaker(self.engine, expire_on_commit=False)
        # Said with BEGIN, not by a statement of its own: every signed request of a device reads.
        readonly = self.engine.execution_options(isolation_level="REPEATABLE READ", postgresql_readonly=True)
        self._reading = async_sessionmaker(readonly, class_=ReadSession, expire_on_commit=False)

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[AsyncSession]:
        """One use case: committed at the end, rolled back when it raises."""
        async with self._writing.begin() as session:
            yield session

    @asynccontextmanager
    async def reading(self) -> AsyncIterator[ReadSession]:
        """A consistent view that cannot write."""
        async with self._reading() as session, session.begin():
            yield session

    async def close(self) -> None:
        await self.engine.dispose()


def role_passwords(folder: Path) -> dict[str, str]:
    """The roles' passwords, made once from the operating system's randomness and kept in ``folder``, readable by its
    owner only."""
    path = folder / "database-roles.json"
    if not path.exists():
        folder.mkdir(parents=True, exist_ok=True)
        path.touch(mode=0o600)
        path.write_text(json.dumps({role: secrets.token_urlsafe(24) for role in ROLES}))
    passwords: dict[str, str] = json.loads(path.read_text())
    return passwords


def role_url(administrator: URL, role: str, passwords: dict[str, str], database: str = "citycard") -> URL:
    """Where ``role`` connects: the administrator's server, the project's database, its own name."""
    return administrator.set(
        drivername="postgresql+asyncpg", username=role, password=passwords[role], database=database
    )


async def prepare(administrator: URL, passwords: dict[str, str], database: str = "citycard") -> None:
    """Make what is missing: database, roles, schemas. Harmless to repeat."""
    async with _connected(administrator, autocommit=True) as connection:
        exists = await connection.scalar(text("SELECT 1 FROM pg_database WHERE datname = :name"), {"name": database})
        if not exists:
            await connection.execute(text(f'CREATE DATABASE "{database}"'))
    async with _connected(administrator.set(database=database), autocommit=False) as connection:
        # Two set-ups at once (tests, a restarted service) must not race for the server-wide roles.
        await connection.execute(text("SELECT pg_advisory_xact_lock(727001)"))
        for role in ROLES:
            await _make_role(connection, role, passwords[role])
        await connection.execute(text(f'GRANT CONNECT ON DATABASE "{database}" TO {", ".join(ROLES)}'))
        await connection.execute(text(f'REVOKE CONNECT, TEMPORARY ON DATABASE "{database}" FROM PUBLIC'))
        await connection.execute(text(f'GRANT TEMPORARY ON DATABASE "{database}" TO issuing, clearing'))
        for service in SERVICES:
            await connection.execute(text(f"CREATE SCHEMA IF NOT EXISTS {service} AUTHORIZATION owner"))
            await connection.execute(text(f"GRANT USAGE ON SCHEMA {service} TO {service}, reader"))
            for what, whom in (
                ("USAGE ON SEQUENCES", service),
                ("SELECT ON TABLES", "reader"),
            ):
                await connection.execute(
                    text(f"ALTER DEFAULT PRIVILEGES FOR ROLE owner IN SCHEMA {service} GRANT {what} TO {whom}")
                )


async def _make_role(connection: AsyncConnection, role: str, password: str) -> None:
    exists = await connection.scalar(text("SELECT 1 FROM pg_roles WHERE rolname = :role"), {"role": role})
    verb = "ALTER" if exists else "CREATE"
    # Utility statements take no parameters; the password is our own URL-safe token, never user input.
    await connection.execute(
        text(f"{verb} ROLE {role} LOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE PASSWORD '{password}'")
    )
    if role == "owner":
        await connection.execute(text("GRANT owner TO CURRENT_USER"))


@asynccontextmanager
async def _connected(url: URL, *, autocommit: bool) -> AsyncIterator[AsyncConnection]:
    engine = create_async_engine(url, poolclass=NullPool, hide_parameters=True)
    try:
        if autocommit:
            async with engine.connect() as connection:
                yield await connection.execution_options(isolation_level="AUTOCOMMIT")
        else:
            async with engine.begin() as connection:
                yield connection
    finally:
        await engine.dispose()
