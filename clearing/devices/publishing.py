"""Tariffs put in force by two persons; what was in force when stays."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncSession

from backoffice.problems import Refused
from backoffice.states import step
from backoffice.two_people import a_second_person
from clearing.devices.releases import LIFE, Release, ReleaseEvent, ReleaseState, faults_of_release
from clearing.devices.tables import TariffReleaseRow
from clearing.participants.service import publish_tariff
from clearing.participants.tables import TariffRow
from rulebook.parameters import canonical_json
from rulebook.tariff import MalformedTariff, load_tariff

_LOCK = 727007


async def adopt_published(session: AsyncSession) -> None:
    """A tariff that was published without a moment is in force from the beginning. Harmless to repeat."""
    await session.execute(select(func.pg_advisory_xact_lock(_LOCK)))
    known = select(TariffReleaseRow.version).where(TariffReleaseRow.state == ReleaseState.PUBLISHED)
    for row in await session.scalars(select(TariffRow).where(TariffRow.version.not_in(known))):
        await session.merge(_release(row.version, row.document, ReleaseState.PUBLISHED))
    await session.flush()


async def releases(session: AsyncSession) -> list[Release]:
    """Every published one, in order of version."""
    found = select(TariffReleaseRow.version, TariffReleaseRow.sha256, TariffReleaseRow.effective_from)
    published = found.where(TariffReleaseRow.state == ReleaseState.PUBLISHED)
    return [Release(*row) for row in await session.execute(published.order_by(TariffReleaseRow.version))]


async def release_rows(session: AsyncSession) -> Sequence[TariffReleaseRow]:
    """Proposed and withdrawn ones too, the newest first."""
    return (await session.scalars(select(TariffReleaseRow).order_by(TariffReleaseRow.version.desc()))).all()


async def propose(
    session: AsyncSession, document: Mapping[str, Any], effective_from: datetime, *, actor: str, now: datetime
) -> TariffReleaseRow:
    """The first person. Raises ``Refused`` with every fault of document and moment."""
    version = _version_of(document)
    await session.execute(select(func.pg_advisory_xact_lock(_LOCK)))
    _refuse(faults_of_release(await releases(session), version, effective_from, now))
    standing = await session.get(TariffReleaseRow, version)
    if standing is not None and standing.state == ReleaseState.PROPOSED:
        detail = f"{standing.proposed_by} proposed version {version}; withdraw that first"
        raise Refused(409, "The version is proposed already", detail, reason="already_proposed")
    draft = _release(version, document, ReleaseState.PROPOSED)
    draft.effective_from, draft.document, draft.proposed_by = effective_from, dict(document), actor
    row = await session.merge(draft)
    await session.flush()
    return row


async def approve(session: AsyncSession, version: int, *, actor: str, now: datetime) -> TariffReleaseRow:
    """The second person: devices are told of it from now on. Raises ``Refused``."""
    await session.execute(select(func.pg_advisory_xact_lock(_LOCK)))
    row = await _locked(session, version)
    state = _next(row, ReleaseEvent.APPROVE)
    a_second_person(actor, first=row.proposed_by, what=f"tariff version {version}")
    assert row.effective_from is not None
    assert row.document is not None
    _refuse(faults_of_release(await releases(session), version, row.effective_from, now))
    try:
        await publish_tariff(session, row.document, now=now)
    except MalformedTariff as error:
        raise _malformed(error) from error
    row.state, row.document, row.approved_by, row.decided_at = state, None, actor, now
    await session.flush()
    return row


async def withdraw(session: AsyncSession, version: int, *, now: datetime) -> TariffReleaseRow:
    """Either person, before the approval. Raises ``Refused``: what devices were told of stays; publish a newer version."""
    row = await _locked(session, version)
    row.state, row.document, row.decided_at = _next(row, ReleaseEvent.WITHDRAW), None, now
    await session.flush()
    return row


def _version_of(document: Mapping[str, Any]) -> int:
    try:
        return load_tariff(document).version
    except MalformedTariff as error:
        raise _malformed(error) from error


def _malformed(error: MalformedTariff) -> Refused:
    errors = [{"field": "document", "message": fault} for fault in error.faults]
    return Refused(
        422, "The tariff is refused whole", f"{len(errors)} faults", reason="malformed_tariff", errors=errors
    )


def _refuse(faults: Sequence[str]) -> None:
    if faults:
        errors = [{"field": fault.split(" ", 1)[0], "message": fault} for fault in faults]
        raise Refused(409, "The tariff cannot begin then", "; ".join(faults), reason="not_publishable", errors=errors)


def _release(version: int, document: Mapping[str, Any], state: ReleaseState) -> TariffReleaseRow:
    return TariffReleaseRow(
        version=version,
        state=state,
        sha256=hashlib.sha256(canonical_json(document)).digest(),
        effective_from=None,
        document=None,
        proposed_by=None,
        approved_by=None,
        decided_at=None,
    )


async def _locked(session: AsyncSession, version: int) -> TariffReleaseRow:
    row = await session.get(TariffReleaseRow, version, with_for_update=True, populate_existing=True)
    if row is None:
        raise Refused(404, "No such tariff is proposed", f"version is {version}", reason="release_unknown")
    return row


def _next(row: TariffReleaseRow, event: ReleaseEvent) -> ReleaseState:
    """Raises ``Refused``."""
    return step(LIFE, f"tariff version {row.version}", ReleaseState(row.state), event, reason=f"release_{row.state}")
