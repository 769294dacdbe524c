"""A city's back office on this machine: PostgreSQL set up, the two services each in a process of its own."""

from __future__ import annotations

import asyncio
import os
import secrets
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
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
    """Where the two services listen, the token they know one another by, and role reader's way to the database.
    ``kill_and_restart`` ends a service as a power cut does, and starts it anew."""

    urls: Mapping[str, str]
    token: str
    reader: URL
    kill_and_restart: Callable[[str], None]


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
        running: dict[str, _Process] = {}
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
            running[name] = _Process(name, sockets[name], urls[name], environment, logs / f"{name}.log")
            stack.callback(running[name].stop)
        for process in running.values():
            process.wait_until_up()
        reader = role_url(administrator, "reader", passwords, DATABASE)
        yield Services(urls, token, reader, lambda name: running[name].kill_and_restart())


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


class _Process:
    """A service in a process of its own. The socket stays ours, so that its port does when the service is started anew."""

    def __init__(
        self, name: str, listening: socket.socket, url: str, environment: Mapping[str, str], log: Path
    ) -> None:
        self._name = name
        self._listening = listening
        self._url = url
        self._environment = {**os.environ, **environment}
        self._log = log
        log.unlink(missing_ok=True)
        self._process = self._start()

    def wait_until_up(self) -> None:
        """Raises ``ServiceFailed``."""
        deadline = time.monotonic() + _START_LIMIT_S
        while time.monotonic() < deadline and self._process.poll() is None:
            try:
                answer = httpx.get(f"{self._url}/sign-in", timeout=_START_LIMIT_S, trust_env=False)
                if answer.status_code == httpx.codes.OK:
                    return
            except httpx.TransportError:
                time.sleep(0.1)
        raise ServiceFailed(f"{self._name} did not start; see {self._log}")

    def kill_and_restart(self) -> None:
        """Raises ``ServiceFailed``."""
        self._process.kill()
        self._process.wait()
        self._process = self._start()
        self.wait_until_up()

    def stop(self) -> None:
        self._process.terminate()
        try:
            self._process.wait(10)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._listening.close()

    def _start(self) -> subprocess.Popen[bytes]:
        descriptor = self._listening.fileno()
        command = [*_DIES_WITH_US, sys.executable, "-m", "uvicorn", f"{self._name}.app:from_environment", "--factory"]
        options = ["--fd", str(descriptor), "--no-access-log", "--timeout-graceful-shutdown", "3"]
        with self._log.open("ab") as output:
            return subprocess.Popen(  # noqa: S603 (our own command)
                command + options,
                env=self._environment,
                pass_fds=(descriptor,),
                stdout=output,
                stderr=output,
                start_new_session=True,
            )
