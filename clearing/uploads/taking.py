"""What becomes of an upload's content once it is complete."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from sqlalchemy.ext.asyncio import AsyncSession

from backoffice.problems import Refused
from clearing.files import Files
from clearing.intake.files.service import take_file
from clearing.intake.service import Conflict, take_batch
from clearing.settlement.queries import open_window
from clearing.uploads.rules import Target
from clearing.uploads.service import Owner
from clearing.uploads.tables import UploadRow
from rulebook.messages.problems import Problem


@dataclass(frozen=True, slots=True)
class Answer:
    """``body``: JSON, of a problem where ``status`` is one of a refusal."""

    status: int
    body: str


async def take(
    session: AsyncSession, files: Files, path: Path, row: UploadRow, owner: Owner, *, now: datetime
) -> Answer:
    """As if the content had come in one piece. Raises ``Refused`` when nothing can be taken."""
    return await _TAKEN_AS[Target(row.target)](session, files, path, row, owner, now)


def refusal(refused: Refused) -> Answer:
    return Answer(refused.problem.status, refused.problem.model_dump_json())


async def _batch(session: AsyncSession, files: Files, path: Path, _: UploadRow, owner: Owner, now: datetime) -> Answer:
    raw = await asyncio.to_thread(path.read_bytes)
    window = await open_window(session)
    taken = await take_batch(session, files.raw, raw, device=owner.id, window=window, now=now)
    if isinstance(taken, Conflict):
        return _conflict("batch", taken.faults)
    return Answer(200 if taken.repeated else 201, taken.model_dump_json())


async def _file(session: AsyncSession, files: Files, path: Path, row: UploadRow, owner: Owner, now: datetime) -> Answer:
    window = await open_window(session)
    taken = await take_file(
        session, files.raw, path, layout=row.layout, operator=owner.id, by=row.by, window=window, now=now
    )
    if isinstance(taken, Conflict):
        return _conflict("record", taken.faults)
    return Answer(200 if taken.repeated else 201, taken.model_dump_json())


_TAKEN_AS: Mapping[Target, Callable[[AsyncSession, Files, Path, UploadRow, Owner, datetime], Awaitable[Answer]]] = {
    Target.BATCH: _batch,
    Target.FILE: _file,
}


def _conflict(field: str, faults: Sequence[str]) -> Answer:
    errors = [{"field": field, "message": fault} for fault in faults]
    problem = Problem(title="Known with other content", status=409, reason="repeated_with_other_content", errors=errors)
    return Answer(409, problem.model_dump_json())
