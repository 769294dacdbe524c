"""Computing results while requests go on: in a thread, with progress, and previews kept as long as nothing changes."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from datetime import datetime
from typing import Annotated

from fastapi import Depends, Request
from sqlalchemy.ext.asyncio import AsyncSession

from backoffice.database import Database
from backoffice.problems import Refused
from backoffice.web import ServiceDep
from clearing.facts.queries import feed_position
from clearing.files import Files, FilesDep, Scratch
from clearing.intake.queries import count_batches
from clearing.intake.raw_records import raw_records
from clearing.keys import VaultDep
from clearing.settlement import queries
from clearing.settlement.computing import Computer
from clearing.settlement.encoding import decode
from clearing.settlement.freezing import gather
from clearing.settlement.frozen import Frozen, FrozenPartDiffers
from clearing.settlement.model import WindowResult, WindowState
from clearing.settlement.service import business_day_now
from clearing.settlement.tables import WindowRow
from hardware.vault.vault import Vault

PREVIEW_RECORDS = 1_000_000
"""Of a window with more, or in a city of which issuing has told more, the result is computed at the close only: a page must not
cost a minute of the machine. Ours."""


@dataclass(frozen=True, slots=True)
class Step:
    """What a run is doing."""

    what: str
    done: int
    total: int


@dataclass(slots=True)
class Runs:
    """What this process is computing, and the last preview of each open window with what it followed from."""

    steps: dict[int, Step] = field(default_factory=dict)
    previews: dict[int, tuple[Frozen, WindowResult]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Running:
    """One request's way to results."""

    files: Files
    vault: Vault
    database: Database
    runs: Runs

    async def result(self, number: int, manifest: bytes) -> WindowResult:
        """Computed from ``manifest``. Raises ``Refused`` where a file that it names was changed."""
        try:
            return await asyncio.to_thread(self._computer(number).result, manifest)
        except FrozenPartDiffers as error:
            detail = f"{error}; put the file back as it was, from a copy, and close again"
            raise Refused(
                409, "A file of the window was changed / 窗口文件已被改动", detail, reason="frozen_part_differs"
            ) from error
        finally:
            self.runs.steps.pop(number, None)

    async def result_of(self, session: AsyncSession, row: WindowRow, *, now: datetime) -> WindowResult | None:
        """The frozen result, or a preview while nothing is frozen. None while it, or the one before it, is computed, and for a
        window too big to be looked at before its close."""
        if row.result is not None:
            return await asyncio.to_thread(decode, row.result)
        before = await queries.window(session, row.number - 1)
        if row.state == WindowState.FROZEN or (before is not None and before.result is None):
            return None
        _, records = await count_batches(session, row.number)
        if max(records, await feed_position(session)) > PREVIEW_RECORDS:
            return None
        return await self._preview(session, row, now)

    def forget(self, number: int, manifest: bytes) -> None:
        self.runs.previews.pop(number, None)
        self._computer(number).forget(manifest)

    async def _preview(self, session: AsyncSession, row: WindowRow, now: datetime) -> WindowResult:
        business_day = row.business_day or await business_day_now(session, now)
        with self.files.scratch(Scratch.PREVIEW) as scratch:
            frozen = await gather(session, scratch.frozen, row.number, business_day)
            known = self.runs.previews.get(row.number)
            if known is not None and known[0] == frozen:
                return known[1]
            result = await asyncio.to_thread(self._computer(row.number).preview, frozen, scratch)
        self.runs.previews[row.number] = (frozen, result)
        return result

    def _computer(self, number: int) -> Computer:
        def progress(what: str, done: int, total: int) -> None:
            self.runs.steps[number] = Step(what, done, total)

        raw = raw_records(self.database, self.files.raw, asyncio.get_running_loop())
        return Computer(self.files, self.vault, raw, progress)


def running(request: Request, here: ServiceDep, files: FilesDep, vault: VaultDep) -> Running:
    """FastAPI dependency; ``app.state.runs`` is what requests share."""
    runs: Runs = request.app.state.runs
    return Running(files, vault, here.database, runs)


RunningDep = Annotated[Running, Depends(running)]
