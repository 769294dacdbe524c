"""Cases as people look at them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from sqlalchemy import ColumnElement, select
from sqlalchemy.ext.asyncio import AsyncSession

from clearing.base import among
from clearing.cases.rules import CaseKind, CaseState, Resolution
from clearing.cases.tables import CaseRow, CaseStepRow
from clearing.verification.context import TransactionId


async def waiting(session: AsyncSession, kind: CaseKind | None = None) -> Sequence[CaseRow]:
    """Those that are not closed, the nearest deadline first."""
    found = select(CaseRow).where(CaseRow.state != CaseState.CLOSED).order_by(CaseRow.deadline, CaseRow.id)
    return (await session.scalars(found if kind is None else found.where(CaseRow.kind == kind))).all()


async def known_ids(session: AsyncSession, ids: Iterable[str]) -> set[str]:
    """Those of ``ids`` that are cases, open or closed."""
    return set(await session.scalars(select(CaseRow.id).where(among(CaseRow.id, ids))))


async def closed(session: AsyncSession, limit: int) -> Sequence[CaseRow]:
    """The last ones, newest first."""
    found = select(CaseRow).where(CaseRow.state == CaseState.CLOSED).order_by(CaseRow.closed_at.desc(), CaseRow.id)
    return (await session.scalars(found.limit(limit))).all()


async def steps(session: AsyncSession, case: str) -> Sequence[CaseStepRow]:
    return (
        await session.scalars(select(CaseStepRow).where(CaseStepRow.case == case).order_by(CaseStepRow.number))
    ).all()


async def decided_taps(session: AsyncSession, ids: Iterable[TransactionId]) -> dict[TransactionId, bool]:
    """Those of ``ids`` that two people have decided about, and whether it was released to the operator."""
    return await _decided(session, among(CaseRow.id, (str(id_) for id_ in ids)))


async def all_decided_taps(session: AsyncSession) -> dict[TransactionId, bool]:
    """Every one that two people ever decided about."""
    return await _decided(session)


async def _decided(session: AsyncSession, *which: ColumnElement[bool]) -> dict[TransactionId, bool]:
    rows = await session.execute(
        select(CaseRow.id, CaseRow.resolution).where(
            *which,
            CaseRow.kind == CaseKind.OPEN_TAP,
            CaseRow.state == CaseState.CLOSED,
            CaseRow.resolution != "",
        )
    )
    return {TransactionId.parse(id_): resolution == Resolution.RELEASE for id_, resolution in rows}
