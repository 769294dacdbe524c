"""Beginning, finding and ending an upload."""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum, unique

from sqlalchemy import delete, func, or_, select
from sqlalchemy.ext.asyncio import AsyncSession

from backoffice.problems import Refused
from clearing.uploads.partial import PartialUploads
from clearing.uploads.rules import LIFETIME, OPEN_UPLOADS, STATUS, Creation, Target, UploadRefusal
from clearing.uploads.tables import UploadRow


@unique
class OwnerKind(StrEnum):
    DEVICE = "device"
    OPERATOR = "operator"


@dataclass(frozen=True, slots=True)
class Owner:
    """``id``: the device or operator whose upload it is. ``by``: the device, or the member of the operator's staff."""

    kind: OwnerKind
    id: str
    by: str

    def __str__(self) -> str:
        return f"{self.kind}:{self.id}"


def refused(reason: UploadRefusal, title: str, detail: str) -> Refused:
    return Refused(STATUS[reason], title, detail, reason=reason)


async def begin(
    session: AsyncSession,
    uploads: PartialUploads,
    wanted: Creation,
    *,
    owner: Owner,
    target: Target,
    layout: str = "",
    now: datetime,
) -> UploadRow:
    """The upload of that content; where the owner has begun the same already, or its content was taken, that one. Raises
    ``Refused``."""
    await remove_expired(session, uploads, now=now)
    await _lock(session, owner)
    for row in await _same(session, owner, target, layout, wanted):
        if row.ended_at is not None or uploads.path(row.id).exists():
            return row
    unfinished = await _unfinished(session, owner)
    if unfinished >= OPEN_UPLOADS:
        detail = f"{owner} has {unfinished} unfinished uploads; end or delete some"
        raise refused(UploadRefusal.TOO_MANY, "Too many uploads are open", detail)
    row = UploadRow(
        id=secrets.token_urlsafe(16),
        owner=str(owner),
        by=owner.by,
        target=target,
        layout=layout,
        length=wanted.length,
        digest=wanted.digest,
        created_at=now,
        expires_at=now + LIFETIME,
    )
    session.add(row)
    await session.flush()
    uploads.create(row.id)  # before the row is committed; what a crash between them leaves is an empty file
    return row


async def upload_of(
    session: AsyncSession, upload: str, owner: Owner, *, now: datetime, lock: bool = False
) -> UploadRow:
    """Raises ``Refused`` 404 for one that is not there, expired, or another's."""
    row = await session.get(UploadRow, upload, with_for_update=lock or None, populate_existing=lock)
    if row is None or row.owner != str(owner) or (row.ended_at is None and row.expires_at <= now):
        detail = "it ended long ago, expired, or never was; begin anew"
        raise refused(UploadRefusal.UNKNOWN, "There is no such upload", detail)
    return row


async def end(session: AsyncSession, row: UploadRow, *, status: int, answer: str, now: datetime) -> None:
    """Keep what the content was answered with, for a client that did not hear it."""
    row.status, row.answer, row.ended_at = status, answer, now
    await session.flush()


async def give_up(session: AsyncSession, uploads: PartialUploads, row: UploadRow) -> None:
    await session.delete(row)
    await session.flush()
    uploads.remove(row.id)


async def remove_expired(session: AsyncSession, uploads: PartialUploads, *, now: datetime) -> list[str]:
    """Unfinished uploads past their time, and ended ones of which nobody can still be waiting for the answer; their ids."""
    old = or_(UploadRow.expires_at <= now, UploadRow.ended_at <= now - LIFETIME)
    gone = list(await session.scalars(delete(UploadRow).where(old).returning(UploadRow.id)))
    for upload in gone:
        uploads.remove(upload)
    return gone


async def _lock(session: AsyncSession, owner: Owner) -> None:
    """Two requests of one owner wait for each other, so that both do not begin the same."""
    await session.execute(select(func.pg_advisory_xact_lock(727006, func.hashtext(str(owner)))))


async def _same(
    session: AsyncSession, owner: Owner, target: Target, layout: str, wanted: Creation
) -> Sequence[UploadRow]:
    """Of the same content: those that are not ended or were taken, the newest first."""
    found = select(UploadRow).where(
        UploadRow.owner == str(owner),
        UploadRow.target == target,
        UploadRow.layout == layout,
        UploadRow.length == wanted.length,
        UploadRow.digest == wanted.digest,
        UploadRow.ended_at.is_(None) | (UploadRow.status < 300),
    )
    return (await session.scalars(found.order_by(UploadRow.created_at.desc(), UploadRow.id))).all()


async def _unfinished(session: AsyncSession, owner: Owner) -> int:
    found = select(func.count()).where(UploadRow.owner == str(owner), UploadRow.ended_at.is_(None))
    return await session.scalar(found) or 0
