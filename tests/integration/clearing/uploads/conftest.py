"""Uploads alone, over real PostgreSQL and a real folder: an enrolled bus, an operator's clerk, an open window."""

from __future__ import annotations

import base64
import importlib.util
import sys
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

import httpx
import pytest
from argon2 import PasswordHasher
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from fastapi import FastAPI
from pydantic import SecretStr

from backoffice.clock import HEADER
from backoffice.database import Database
from backoffice.settings import Settings
from backoffice.web import Service, create_service_app
from clearing.base import accounts
from clearing.devices.tables import DeviceRow
from clearing.files import Files
from clearing.intake.files import pages
from clearing.participants.rules import demonstration
from clearing.participants.service import publish_city
from clearing.settlement.queries import ensure_open
from clearing.uploads import api
from rulebook.messages.uploads import SIGNED_HEADERS, repr_digest, signed_head


def _town() -> ModuleType:
    """The small town of the unit tests; a conftest cannot be imported by name."""
    path = Path(__file__).parents[3] / "unit" / "clearing" / "conftest.py"
    spec = importlib.util.spec_from_file_location("uploads_town", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["uploads_town"] = module  # dataclasses look their module up
    spec.loader.exec_module(module)
    return module


TOWN = _town()
NOW = "2026-09-15T22:00:00+08:00"
STAFF = {"zhao": ["operator:bus-a"], "qian": ["operator:bus-b"], "sun": ["settlement"]}


@dataclass
class Caller:
    """Somebody who uploads: ``key`` signs where there is one, else a session does."""

    client: httpx.AsyncClient
    name: str
    key: Ed25519PrivateKey | None = None
    now: str = NOW

    async def send(self, method: str, path: str, headers: dict[str, str], content: Any = b"") -> httpx.Response:
        headers = {name.lower(): value for name, value in headers.items()} | {HEADER: self.now}
        if self.key is not None:
            signed = {name: headers[name] for name in SIGNED_HEADERS if name in headers}
            signature = self.key.sign(signed_head(method, path.partition("?")[0], signed))
            headers |= {
                "Citycard-Device": self.name,
                "Citycard-Signature": base64.b64encode(signature).decode(),
            }
        return await self.client.request(method, path, headers=headers, content=content)

    async def create(self, path: str, content: bytes, *, first: bytes = b"", complete: bool = False) -> httpx.Response:
        told = {
            "Upload-Complete": "?1" if complete else "?0",
            "Upload-Length": str(len(content)),
            "Repr-Digest": repr_digest(content),
        }
        return await self.send("POST", path, told, first)

    async def append(self, upload: str, offset: int, part: Any, *, complete: bool = False) -> httpx.Response:
        headers = {
            "Upload-Complete": "?1" if complete else "?0",
            "Upload-Offset": str(offset),
            "Content-Type": "application/partial-upload",
        }
        return await self.send("PATCH", upload, headers, part)

    async def cut_off(self, app: FastAPI, upload: str, part: bytes) -> None:
        """Begin to append from the start and leave after ``part``."""
        told = {"upload-complete": "?1", "upload-offset": "0", "content-type": "application/partial-upload"}
        signature = self.key.sign(signed_head("PATCH", upload, told)) if self.key else b""
        told |= {"citycard-device": self.name, "citycard-signature": base64.b64encode(signature).decode(), HEADER: NOW}
        came = [{"type": "http.request", "body": part, "more_body": True}, {"type": "http.disconnect"}]

        async def receive() -> dict[str, Any]:
            return came.pop(0)

        async def send(_: Any) -> None:
            """Nobody is there to hear it."""

        scope = {
            "type": "http",
            "http_version": "1.1",
            "method": "PATCH",
            "path": upload,
            "query_string": b"",
            "headers": [(name.lower().encode(), value.encode()) for name, value in told.items()],
        }
        await app(scope, receive, send)

    async def offset(self, upload: str) -> int:
        answer = await self.send("HEAD", upload, {})
        assert answer.status_code == 204
        return int(answer.headers["upload-offset"])


@dataclass
class Shop:
    """The service with uploads in it. ``restarted`` forgets what only the process knew."""

    app: FastAPI
    database: Database
    files: Files
    bus: Caller
    town: Any

    def staff(self, name: str) -> Caller:
        return Caller(httpx.AsyncClient(transport=httpx.ASGITransport(self.app), base_url="http://clearing"), name)

    async def signed_in(self, name: str) -> Caller:
        caller = self.staff(name)
        answer = await caller.client.post(
            "/sign-in", data={"name": name, "password": f"password-{name}"}, headers={HEADER: NOW}
        )
        assert answer.status_code == 303, answer.text
        return caller

    def restarted(self) -> None:
        del self.app.state.uploads


@pytest.fixture(autouse=True)
def _quick_passwords(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("backoffice.staff._HASHER", PasswordHasher(time_cost=1, memory_cost=8, parallelism=1))


@pytest.fixture
async def shop(clearing_database: Database, tmp_path: Path) -> AsyncIterator[Shop]:
    settings = Settings(
        service_token=SecretStr("service-token-of-this-test"),
        session_secret=SecretStr("session-secret-of-this-test"),
        simulated_clock=True,
        data_folder=tmp_path,
    )
    service = Service(
        name="clearing",
        title=("清算", "Clearing"),
        settings=settings,
        database=clearing_database,
        accounts=accounts,
        pages=(),
    )
    app = create_service_app(service)
    app.include_router(api.router)
    app.include_router(pages.router)
    key = Ed25519PrivateKey.generate()
    async with clearing_database.transaction() as session:
        await publish_city(session, demonstration(), now=TOWN.MORNING)
        await ensure_open(session, now=TOWN.MORNING)
        for name, (kind, operator) in TOWN.DEVICES.items():
            session.add(
                DeviceRow(
                    device=name,
                    kind=kind,
                    operator=operator,
                    line="",
                    place="",
                    state="enrolled",
                    code_hash=bytes(32),
                    public_key=key.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw),
                    sam_serial=TOWN.sam_serial(name),
                    terminal_number=TOWN.terminal(name),
                    invited_at=TOWN.MORNING,
                    enrolled_at=TOWN.MORNING,
                )
            )
        for name, roles in STAFF.items():
            await accounts.seed(session, name, f"password-{name}", roles)
    client = httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://clearing")
    yield Shop(app, clearing_database, Files(tmp_path / "clearing"), Caller(client, "BUS-A-0001", key), TOWN.Town())
    await client.aclose()
