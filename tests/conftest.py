"""What tests share: a real PostgreSQL for each worker, both schemas migrated, each test rolled back; hypothesis profiles."""

from __future__ import annotations

import asyncio
import os
import shutil
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from sqlalchemy import URL, NullPool
from sqlalchemy.ext.asyncio import AsyncSession

from backoffice.database import Database, ReadSession, prepare, role_passwords, role_url
from backoffice.embedded import embedded_postgres
from backoffice.migration import upgrade

settings.register_profile("local", deadline=None)
settings.register_profile("ci", deadline=None, derandomize=True, max_examples=60)
settings.register_profile("nightly", deadline=None, max_examples=2000, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "local"))


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--long", action="store_true", help="also run sweeps and fuzzing")


# What a marked test needs, as Python modules and files of this machine, and the Debian packages that bring it.
_PATH = f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin"
_NEEDS: dict[str, tuple[tuple[str, ...], tuple[str, ...], str]] = {
    "needs_pcsc": (
        ("smartcard",),
        ("pcscd", "/usr/lib/pcsc/drivers/serial/libifdvpcd.so"),
        "pcscd vsmartcard-vpcd, and for pyscard: build-essential python3-dev swig libpcsclite-dev",
    ),
    "needs_softhsm": (("pkcs11",), ("/usr/lib/softhsm/libsofthsm2.so",), "softhsm2"),
    "needs_chromium": (("playwright",), ("chromium",), "chromium fonts-noto-cjk"),
}


def _missing(marker: str) -> str:
    """Why a test of this marker cannot run here; empty where it can."""
    modules, files, packages = _NEEDS[marker]
    absent = [name for name in modules if find_spec(name) is None]
    absent += [name for name in files if shutil.which(name, path=_PATH) is None and not Path(name).exists()]
    return f"{', '.join(absent)} missing here; Debian packages: {packages}" if absent else ""


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    reasons = {marker: reason for marker in _NEEDS if (reason := _missing(marker))}
    if not config.getoption("--long"):
        reasons["long"] = "a long sweep: script/test --long"
    for item in items:
        for marker, reason in reasons.items():
            if item.get_closest_marker(marker) is not None:
                item.add_marker(pytest.mark.skip(reason=reason))


# Counts that tests leave with ``record_property``, summed over all workers and printed at the end.
_COUNTED = {"cuts": "cuts of power over {tests} sweeps of a command", "commands": "commands in {tests} fuzzed runs"}


def pytest_terminal_summary(terminalreporter: Any) -> None:
    reports = [report for listed in terminalreporter.stats.values() for report in listed if hasattr(report, "when")]
    for name, meaning in _COUNTED.items():
        counts = [value for r in reports if r.when == "call" for key, value in r.user_properties if key == name]
        if counts:
            terminalreporter.write_line(f"{sum(counts):,} {meaning.format(tests=len(counts))}")


@pytest.fixture(scope="session")
def administrator(tmp_path_factory: pytest.TempPathFactory) -> Iterator[URL]:
    """A server of this worker's own; its administrator's URL."""
    with embedded_postgres(tmp_path_factory.mktemp("postgres")) as url:
        yield url


@pytest.fixture(scope="session")
def role_urls(administrator: URL, tmp_path_factory: pytest.TempPathFactory) -> dict[str, URL]:
    """Where each role connects, both schemas migrated."""
    passwords = role_passwords(Path(tmp_path_factory.mktemp("roles")))
    urls = {role: role_url(administrator, role, passwords) for role in passwords}

    async def set_up() -> None:
        await prepare(administrator, passwords)
        for schema in ("issuing", "clearing"):
            await upgrade(urls["owner"], schema)

    asyncio.run(set_up())
    return urls


class _RolledBack(Database):
    """A database of one connection whose outer transaction never commits: sessions use savepoints."""

    @classmethod
    async def begin(cls, url: URL) -> _RolledBack:
        database = cls(url, poolclass=NullPool)
        database._connection = await database.engine.connect()
        database._outer = await database._connection.begin()
        for factory in (database._writing, database._reading):
            factory.configure(bind=database._connection, join_transaction_mode="create_savepoint")
        return database

    @asynccontextmanager
    async def reading(self) -> AsyncIterator[ReadSession]:
        """Isolation cannot be changed inside the test's own transaction."""
        async with self._reading() as session:
            yield session

    async def end(self) -> None:
        await self._outer.rollback()
        await self._connection.close()
        await self.close()


async def _rolled_back(url: URL) -> AsyncIterator[Database]:
    database = await _RolledBack.begin(url)
    yield database
    await database.end()


@pytest.fixture
async def clearing_database(role_urls: dict[str, URL]) -> AsyncIterator[Database]:
    """clearing's schema as role clearing; everything the test does is rolled back."""
    async for database in _rolled_back(role_urls["clearing"]):
        yield database


@pytest.fixture
async def issuing_database(role_urls: dict[str, URL]) -> AsyncIterator[Database]:
    """issuing's schema as role issuing; everything the test does is rolled back."""
    async for database in _rolled_back(role_urls["issuing"]):
        yield database


@pytest.fixture
async def clearing_session(clearing_database: Database) -> AsyncIterator[AsyncSession]:
    async with clearing_database._writing() as session:
        yield session


@pytest.fixture
async def issuing_session(issuing_database: Database) -> AsyncIterator[AsyncSession]:
    async with issuing_database._writing() as session:
        yield session
