"""Terminals as they are, with ``terminals.uplink``, at the clearing service as it is."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

import httpx
import pytest

from card_os.crypto.secret import Secret
from rulebook.calendar import BUSINESS_ZONE
from rulebook.messages.devices import DeviceHealth
from terminals.uplink import DeviceKey, Kept, ParameterStore, Uplink, health

EVENING = datetime(2026, 9, 15, 22, tzinfo=BUSINESS_ZONE)  # the house's own time


@dataclass
class Line(httpx.BaseTransport):
    """A terminal's line to the service in this event loop. ``asked`` are the paths; ``twist`` changes answers on their way."""

    house: Any
    loop: asyncio.AbstractEventLoop
    now: datetime = EVENING
    down: bool = False
    asked: list[str] = field(default_factory=list)
    twist: Callable[[bytes], bytes] = lambda content: content

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        if self.down:
            raise httpx.ConnectError("no network")
        self.asked.append(request.url.raw_path.decode())
        answer = asyncio.run_coroutine_threadsafe(self._send(request), self.loop).result(60)
        return httpx.Response(answer.status_code, headers=answer.headers, content=self.twist(answer.content))

    async def _send(self, request: httpx.Request) -> httpx.Response:
        headers = {**request.headers, "Citycard-Time": self.now.isoformat()}
        async with self.house.client() as client:
            sent: httpx.Response = await client.request(
                request.method, request.url.raw_path.decode(), content=request.content, headers=headers
            )
            return sent


@dataclass
class Terminal:
    """``clock_ahead_s``: how wrong its clock is."""

    name: str
    folder: Path
    line: Line
    uplink: Uplink
    store: ParameterStore
    clock_ahead_s: int = 0

    @property
    def clock(self) -> datetime:
        return datetime.fromtimestamp(self.line.now.timestamp() + self.clock_ahead_s, BUSINESS_ZONE)

    async def contact(self) -> Kept:
        """Parameters down, health up."""
        kept = await asyncio.to_thread(self.store.current, self.uplink, self.clock)
        if not self.line.down:
            await self.report(health(kept, None, self.folder, software_version="1.4"))
        return kept

    async def report(self, said: DeviceHealth) -> None:
        await asyncio.to_thread(self.uplink.report, said)

    async def enrol(self, code: str, town: Any) -> None:
        enrolled = await asyncio.to_thread(
            self.uplink.enrol, code, sam_serial=town.sam_serial(self.name), terminal_number=town.terminal(self.name)
        )
        self.store.pin(enrolled)


@dataclass
class Depot:
    """``enrolled(name)`` makes a terminal and enrols it; ``at(moment)`` is the time everywhere from then on."""

    house: Any
    folder: Path
    terminals: dict[str, Terminal] = field(default_factory=dict)

    def terminal(self, name: str, seed: int = 0) -> Terminal:
        line = Line(self.house, asyncio.get_running_loop())
        folder = self.folder / f"{name}-{seed}"
        folder.mkdir()
        key = DeviceKey(name, Secret(f"TEST-DEVICE-{name}-{seed}".encode().ljust(32, b".")))
        uplink = Uplink("http://clearing", key, httpx.Client(transport=line))
        self.terminals[name] = Terminal(name, folder, line, uplink, ParameterStore(folder, name))
        return self.terminals[name]

    async def enrolled(self, name: str = "BUS-A-0001") -> Terminal:
        made = self.terminal(name)
        await made.enrol(await self.house.invite(name), self.town)
        return made

    def at(self, moment: datetime) -> None:
        for each in self.terminals.values():
            each.line.now = moment

    async def staff(self, name: str, method: str, path: str, **form: Any) -> httpx.Response:
        password = {"wang": "first-person", "li": "second-person"}[name]
        async with self.house.client() as client:
            client.headers["Citycard-Time"] = self.now.isoformat()
            await client.post("/sign-in", data={"name": name, "password": password})
            answer: httpx.Response = await client.request(method, path, **form)
            return answer

    async def post(self, name: str, path: str, **form: str) -> httpx.Response:
        return await self.staff(name, "POST", path, data=form)

    async def page(self, path: str) -> str:
        answer = await self.staff("wang", "GET", path, headers={"Accept": "text/html"})
        assert answer.status_code == 200, answer.text
        return answer.text

    @property
    def town(self) -> Any:
        """The module of the small town, which says what PSAM a device has."""
        return sys.modules["clearing_town"]

    @property
    def now(self) -> datetime:
        return max((each.line.now for each in self.terminals.values()), default=EVENING)


@pytest.fixture
def depot(house: Any, tmp_path: Path) -> Depot:
    folder = tmp_path / "terminals"
    folder.mkdir()
    return Depot(house, folder)
