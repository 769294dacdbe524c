"""A city's back office on this machine: PostgreSQL set up, the two services each in a process of its own."""

from __future__ import annotations

import asyncio
import os
import secrets
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import httpx
from sqlalchemy import URL, NullPool, make_url, text
from sqlalchemy.ext.asyncio import create_async_engine

from backoffice.database import SERVICES, prepare, role_passwords, role_url
from backoffice.embedded import embedded_postgres
from backoffice.migration import upgrade

DATABASE = "citycard_demonstration"
_PREFERRED_PORTS = {"issuing": 8701, "clearing": 8702}
_START_LIMIT_S = 60
# Part of Debian's essential util-linux; a simulation that is killed -9 leaves no service behind.
_DIES_WITH_US = ("setpriv", "--pdeathsig", "TERM")


class ServiceFailed(RuntimeError):
    """A service did not start; the message names its log."""


@dataclass(frozen=True, slots=True)
class Services:
    """Where the two services listen, the token they know one another by, and role reader's way to the database."""

    urls: Mapping[str, str]
    token: str
    reader: URL


@contextmanager
def running_services(
    folder: Path, *, vault: str, administrator_url: str = "", begins: datetime | None = None
) -> Iterator[Services]:
    """Set up an empty database and run issuing and clearing until the end of the block.

    ``folder`` keeps the embedded server's data, the roles' passwords and the logs. ``administrator_url`` points to a real
    PostgreSQL instead. The demonstration's own database is made anew each time; no other database is touched.
    ``begins``: what the city's clock shows when the services start; what they record before the first request is of then.
    """
    with ExitStack() as stack:
        if administrator_url:
            administrator = make_url(administrator_url).set(drivername="postgresql+asyncpg")
        else:
            administrator = stack.enter_context(embedded_postgres(folder / "postgres"))
        passwords = role_passwords(folder)
        asyncio.run(_set_up(administrator, passwords))
        token, session_secret = secrets.token_urlsafe(24), secrets.token_urlsafe(24)
        sockets = {name: stack.enter_context(_listening(_PREFERRED_PORTS[name])) for name in SERVICES}
        urls = {name: f"http://127.0.0.1:{listening.getsockname()[1]}" for name, listening in sockets.items()}
        logs = folder / "log"
        logs.mkdir(exist_ok=True)
        running: dict[str, subprocess.Popen[bytes]] = {}
        for name in SERVICES:
            database = role_url(administrator, name, passwords, DATABASE)
            environment = {
                "CITYCARD_DATABASE_URL": database.render_as_string(hide_password=False),
                "CITYCARD_DATA_FOLDER": str(folder),
                "CITYCARD_SERVICE_TOKEN": token,
                "CITYCARD_SESSION_SECRET": session_secret,
                "CITYCARD_ISSUING_URL": urls["issuing"],
                "CITYCARD_CLEARING_URL": urls["clearing"],
                "CITYCARD_VAULT": vault,
                "CITYCARD_SIMULATED_CLOCK": "true",
                **({"CITYCARD_SIMULATED_START": begins.isoformat()} if begins else {}),
            }
            running[name] = stack.enter_context(_service(name, sockets[name], environment, logs / f"{name}.log"))
        for name in SERVICES:
            _wait_until_up(name, urls[name], running[name], logs / f"{name}.log")
        yield Services(urls, token, role_url(administrator, "reader", passwords, DATABASE))


async def _set_up(administrator: URL, passwords: Mapping[str, str]) -> None:
    engine = create_async_engine(administrator, poolclass=NullPool)
    async with engine.connect() as connection:
        autocommit = await connection.execution_options(isolation_level="AUTOCOMMIT")
        await autocommit.execute(text(f'DROP DATABASE IF EXISTS "{DATABASE}" WITH (FORCE)'))
    await engine.dispose()
    await prepare(administrator, dict(passwords), DATABASE)
    owner = role_url(administrator, "owner", dict(passwords), DATABASE)
    for service in SERVICES:
        await upgrade(owner, service)


def _listening(preferred: int) -> socket.socket:
    """A socket on the preferred port, or on any where that is taken. It is bound here and handed to the service, so
    that no other program can take the port in between."""
    for port in (preferred, 0):
        listening = socket.socket()
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        # uvicorn takes any handed-over socket for a unix one and leaves Nagle's delay on: 40 ms for every answer.
        listening.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        try:
            listening.bind(("127.0.0.1", port))
            listening.listen()
        except OSError:
            listening.close()
            continue
        return listening
    raise ServiceFailed("no free port on 127.0.0.1")


@contextmanager
def _service(
    name: str, listening: socket.socket, environment: Mapping[str, str], log: Path
) -> Iterator[subprocess.Popen[bytes]]:
    descriptor = listening.fileno()
    command = [*_DIES_WITH_US, sys.executable, "-m", "uvicorn", f"{name}.app:from_environment", "--factory"]
    options = ["--fd", str(descriptor), "--no-access-log", "--timeout-graceful-shutdown", "3"]
    with log.open("wb") as output:
        process = subprocess.Popen(  # noqa: S603 (our own command)
            command + options,
            env={**os.environ, **environment},
            pass_fds=(descriptor,),
            stdout=output,
            stderr=output,
            start_new_session=True,
        )
        listening.close()
        try:
            yield process
        finally:
            process.terminate()
            try:
                process.wait(10)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def _wait_until_up(name: str, url: str, process: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + _START_LIMIT_S
    while time.monotonic() < deadline and process.poll() is None:
        try:
            if httpx.get(f"{url}/sign-in", timeout=_START_LIMIT_S, trust_env=False).status_code == httpx.codes.OK:
                return
        except httpx.TransportError:
            time.sleep(0.1)
    raise ServiceFailed(f"{name} did not start; see {log}")
