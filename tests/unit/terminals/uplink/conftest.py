"""A clearing that is an object: it signs statements, serves their parts, and can be made to lie."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from card_os.crypto.secret import Secret
from rulebook.calendar import BUSINESS_ZONE
from rulebook.messages.devices import DeviceEnrolled, DeviceHealth, ParameterKey
from rulebook.parameters import (
    DenyChange,
    DenyChanges,
    ListPart,
    ParameterStatement,
    TariffPart,
    canonical_json,
    pack,
    seal_statement,
)
from terminals.uplink import DeviceKey, ParameterStore, Uplink

NOON = datetime(2026, 9, 15, 12, tzinfo=BUSINESS_ZONE)
DEVICE = "BUS-A-0012"


def key_pair(number: int) -> tuple[ParameterKey, Ed25519PrivateKey]:
    private = Ed25519PrivateKey.from_private_bytes(f"TEST-PARAMETER-KEY-{number:013d}".encode())
    public = private.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)
    return ParameterKey(number=number, public=public), private


@dataclass
class FakeClearing:
    """``lie`` changes every answer on its way; ``silent`` gives none. ``asked`` are the paths that were."""

    now: datetime = NOON
    tariff: int = 1
    coming: tuple[int, datetime] | None = None
    history: list[DenyChange] = field(default_factory=list)
    key: int = 1
    announced: bool = False
    silent: bool = False
    lie: Callable[[str, bytes], bytes] = lambda _, content: content
    asked: list[str] = field(default_factory=list)
    health: list[DeviceHealth] = field(default_factory=list)

    @property
    def enrolled(self) -> DeviceEnrolled:
        return DeviceEnrolled(parameter_keys=[key_pair(self.key)[0]])

    def deny(self, card: int, *, denied: bool = True) -> None:
        serial = bytes([card]) * 10
        self.history.append(DenyChange(bytes(8), serial, NOON - timedelta(days=2), denied))

    def document(self, version: int) -> bytes:
        return canonical_json({"version": version, "lines": ["B101"], "name": "票价"})

    def changes(self, after: int, until: int) -> DenyChanges:
        return DenyChanges.between(after, until, self.history[after:until])

    def _tariff(self, version: int, effective_from: datetime | None) -> TariffPart:
        sha256 = hashlib.sha256(self.document(version)).digest()
        return TariffPart(version=version, sha256=sha256, effective_from=effective_from)

    def statement(self, device: str = DEVICE, **changes: Any) -> ParameterStatement:
        whole = self.changes(0, len(self.history))
        said = ParameterStatement(
            device=device,
            key=self.key,
            next_key=key_pair(self.key + 1)[0] if self.announced else None,
            issued_at=self.now,
            valid_until=self.now + timedelta(hours=72),
            tariff=self._tariff(self.tariff, None),
            next_tariff=None if self.coming is None else self._tariff(*self.coming),
            deny_list=ListPart(version=whole.version, sha256=whole.sha256),
        )
        return said.model_copy(update=changes)

    def signed(self, device: str = DEVICE, **changes: Any) -> bytes:
        return self.sealed(self.statement(device, **changes))

    def sealed(self, statement: ParameterStatement) -> bytes:
        """By the key that signs, whatever the statement says."""
        return seal_statement(statement, key_pair(self.key)[1].sign)

    def package(self, device: str = DEVICE, **changes: Any) -> bytes:
        tariffs = [self.tariff, *([self.coming[0]] if self.coming else [])]
        whole = self.changes(0, len(self.history)).encode()
        return pack(self.signed(device, **changes), [*(self.document(version) for version in tariffs), whole])

    def answer(self, request: httpx.Request) -> httpx.Response:
        path = request.url.raw_path.decode()
        self.asked.append(path)
        if self.silent:
            return httpx.Response(503)
        if request.method == "POST":
            self.health.append(DeviceHealth.model_validate_json(request.content))
            return httpx.Response(204)
        return httpx.Response(200, content=self.lie(path, self._content(request)))

    def _content(self, request: httpx.Request) -> bytes:
        match request.url.path.split("/"):
            case ["", "parameters"]:
                return self.signed()
            case ["", "parameters", "tariff", version]:
                return self.document(int(version))
            case ["", "parameters", "deny-list"]:
                after, until = (int(request.url.params[name]) for name in ("after", "until"))
                return self.changes(after, until).encode()
        raise AssertionError(request.url)


@dataclass(frozen=True)
class Bus:
    """A terminal with its folder, enrolled at ``clearing``."""

    clearing: FakeClearing
    folder: Path
    uplink: Uplink

    @property
    def store(self) -> ParameterStore:
        """As after a restart: nothing but what lies in the folder."""
        return ParameterStore(self.folder, DEVICE)

    def asks(self, now: datetime | None = None) -> Any:
        return self.store.current(self.uplink, now or self.clearing.now)


@pytest.fixture
def clearing() -> FakeClearing:
    made = FakeClearing()
    made.deny(0x11)
    return made


@pytest.fixture
def bus(clearing: FakeClearing, tmp_path: Path) -> Bus:
    client = httpx.Client(transport=httpx.MockTransport(clearing.answer))
    made = Bus(clearing, tmp_path, Uplink("http://clearing", DeviceKey(DEVICE, Secret(bytes(32))), client))
    made.store.pin(clearing.enrolled)
    return made
