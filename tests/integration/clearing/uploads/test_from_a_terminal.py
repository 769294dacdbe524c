"""A terminal's own uplink against the service: a large batch in pieces, over a line that breaks."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx

from card_os.wire.dialogue import HostSilent
from clearing.intake.tables import BatchRow
from terminals.journal import Journal
from terminals.uplink import DeviceKey, Uplink


class Line(httpx.BaseTransport):
    """From the terminal's thread to the service's loop. Some requests and some answers are lost."""

    def __init__(self, app: Any, breaks: Iterator[bool | None]) -> None:
        self._service, self._breaks = httpx.ASGITransport(app), breaks
        self._loop = asyncio.get_running_loop()

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        broken = next(self._breaks, None)
        if broken is True:
            raise httpx.ConnectError("no route", request=request)
        answer = asyncio.run_coroutine_threadsafe(self._asked(request), self._loop).result()
        if broken is False:
            raise httpx.ReadError("cut off", request=request)
        return answer

    async def _asked(self, request: httpx.Request) -> httpx.Response:
        content = request.read()
        answer = await self._service.handle_async_request(
            httpx.Request(request.method, request.url, headers=request.headers, content=content)
        )
        return httpx.Response(answer.status_code, headers=answer.headers, content=await answer.aread())


def _until_it_is_through(upload: Callable[[], int]) -> int:
    attempts = 0
    while True:
        attempts += 1
        try:
            upload()
        except HostSilent:
            continue
        return attempts


async def test_a_long_journal_comes_through_a_bad_line(shop: Any, tmp_path: Path) -> None:
    seed = shop.bus.key.private_bytes_raw()
    key = DeviceKey.open(tmp_path / "device", shop.bus.name, random=lambda _: seed)
    journal = Journal(tmp_path / "journal")
    journal._database.execute("PRAGMA synchronous = OFF")  # its durability is its own tests'
    record = shop.town.intent(1, 0)
    for sequence in range(1400):
        journal.append(replace(record, card_sequence=sequence))
    breaks = iter([None, True, None, None, False, None, None, False, None, True, None, None, None, False])
    client = httpx.Client(transport=Line(shop.app, breaks))
    uplink = Uplink("http://clearing", key, client)
    assert await asyncio.to_thread(_until_it_is_through, lambda: uplink.upload(journal)) == 5
    async with shop.database.reading() as session:
        rows = [await session.get(BatchRow, (shop.bus.name, number)) for number in (1, 2)]
    assert [(row.first_sequence, row.last_sequence) for row in rows] == [(1, 1000), (1001, 1400)]
    assert journal.next_batch(key.device, key.sign) is None
