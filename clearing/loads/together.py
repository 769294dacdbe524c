"""Requests for loads that come while others are being answered are taken together: the more there are, the less each costs."""

from __future__ import annotations

import asyncio
from collections import deque
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated

import structlog
from fastapi import Depends, Request

from backoffice.database import Database
from backoffice.web import ServiceDep
from clearing.keys import VaultDep
from clearing.loads import service
from clearing.loads.rules import faults
from clearing.loads.service import MalformedRequest
from clearing.loads.sets import Answer, Asked, authorise_set
from hardware.vault.vault import Vault
from rulebook.messages.loads import LoadRequest

log = structlog.get_logger()

MOST = 64
"""Taken together. Ours: some milliseconds of work, so that the first does not wait long for the last."""


@dataclass(frozen=True, slots=True)
class _Waiting:
    asked: Asked
    answer: asyncio.Future[Answer]


class LoadsTogether:
    """Of one process. There is one set at a time: whatever comes meanwhile is the next one."""

    def __init__(self, database: Database, vault: Vault) -> None:
        self._database, self._vault = database, vault
        self._waiting: deque[_Waiting] = deque()
        self._work: asyncio.Task[None] | None = None

    async def authorise(self, request: LoadRequest, *, agent: str, now: datetime) -> Answer:
        """As ``service.authorise``, committed when it returns. Raises what that raises."""
        if wrong := faults(request):
            raise MalformedRequest(wrong)
        waiting = _Waiting(Asked(request, agent, now), asyncio.get_running_loop().create_future())
        self._waiting.append(waiting)
        if self._work is None or self._work.done():
            self._work = asyncio.create_task(self._until_none_waits())
        return await waiting.answer

    async def _until_none_waits(self) -> None:
        while self._waiting:
            taken = self._taken()
            try:
                await self._answer(taken)
            except BaseException as error:
                for one in taken:
                    if not one.answer.done():
                        one.answer.set_exception(error)
                raise

    def _taken(self) -> list[_Waiting]:
        """The next ones in order, each of another card."""
        taken: list[_Waiting] = []
        cards: set[tuple[bytes, bytes]] = set()
        while self._waiting and len(taken) < MOST:
            load = self._waiting[0].asked.load
            if (load.issuer, load.serial) in cards:
                break
            cards.add((load.issuer, load.serial))
            taken.append(self._waiting.popleft())
        return taken

    async def _answer(self, taken: list[_Waiting]) -> None:
        answers = await self._as_a_set([one.asked for one in taken]) if len(taken) > 1 else [None]
        for one, answer in zip(taken, answers, strict=True):
            if answer is None:
                await self._alone(one)
            elif not one.answer.done():  # nobody waits for it any more
                one.answer.set_result(answer)

    async def _as_a_set(self, asked: list[Asked]) -> list[Answer | None]:
        """None for each that is to be done alone: for all where the set failed, so that one does not spoil the others."""
        try:
            async with self._database.transaction() as session:
                return await authorise_set(session, self._vault, asked)
        except Exception as error:
            log.warning("loads not taken together", count=len(asked), error=type(error).__name__)
            return [None] * len(asked)

    async def _alone(self, one: _Waiting) -> None:
        asked = one.asked
        try:
            async with self._database.transaction() as session:
                answer = await service.authorise(session, self._vault, asked.request, agent=asked.agent, now=asked.now)
        except Exception as error:
            if not one.answer.done():
                one.answer.set_exception(error)
        else:
            if not one.answer.done():
                one.answer.set_result(answer)


async def loads_together(request: Request, here: ServiceDep, vault: VaultDep) -> LoadsTogether:
    """FastAPI dependency: the app's one."""
    state = request.app.state
    if not hasattr(state, "loads_together"):
        state.loads_together = LoadsTogether(here.database, vault)
    found: LoadsTogether = state.loads_together
    return found


LoadsDep = Annotated[LoadsTogether, Depends(loads_together)]
