"""Contracts and agreements come into force: one person puts a document up, another one approves it. Every version is kept."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import date, datetime
from typing import Any, NamedTuple

from sqlalchemy import Select, select
from sqlalchemy.ext.asyncio import AsyncSession

from backoffice.problems import Refused
from backoffice.states import step
from backoffice.two_people import a_second_person
from clearing.apportionment.agreement import Agreements
from clearing.ledger.service import LimitInUse
from clearing.participants.city_document import CityDocument
from clearing.participants.contracts import Contracts
from clearing.participants.documents import (
    KINDS,
    LIFE,
    DocumentEvent,
    DocumentKind,
    DocumentState,
    Surroundings,
    checked,
)
from clearing.participants.effective import MalformedDocument
from clearing.participants.service import city, newest_tariff, publish_city
from clearing.participants.tables import DocumentRow
from rulebook.tariff import load_tariff


class Published(NamedTuple):
    """``document`` holds terms with effective dates: it says what is in force on every day, past days as well."""

    version: int
    document: dict[str, Any]


async def in_force(session: AsyncSession, kind: DocumentKind) -> Published | None:
    """The newest version that two persons have agreed on; None before the first."""
    row = await session.scalar(_approved(kind).limit(1))
    return None if row is None else Published(row.version, row.document)


async def contracts(session: AsyncSession) -> Contracts | None:
    found = await in_force(session, DocumentKind.CONTRACTS)
    return None if found is None else Contracts.model_validate(found.document)


async def agreements(session: AsyncSession) -> Agreements | None:
    found = await in_force(session, DocumentKind.APPORTIONMENT)
    return None if found is None else Agreements.model_validate(found.document)


async def versions(session: AsyncSession, kind: DocumentKind) -> Sequence[DocumentRow]:
    """Newest first."""
    found = select(DocumentRow).where(DocumentRow.kind == kind).order_by(DocumentRow.version.desc())
    return (await session.scalars(found)).all()


async def existing(session: AsyncSession, kind: DocumentKind, version: int) -> DocumentRow:
    """Raises ``Refused`` 404."""
    row = await session.get(DocumentRow, (kind, version))
    if row is None:
        raise Refused(404, "There is no such document", f"{kind} version {version}", reason="document_unknown")
    return row


async def set_up(session: AsyncSession, kind: DocumentKind, document: Mapping[str, Any], *, now: datetime) -> None:
    """Put the first version in force. Once there is one, only two persons change it. Raises ``MalformedDocument``."""
    if await versions(session, kind):
        return
    version = KINDS[kind].load(document, await _surroundings(session)).version
    state = DocumentState.APPROVED
    session.add(
        DocumentRow(kind=kind, version=version, document=dict(document), state=state, proposed_at=now, approved_at=now)
    )
    await session.flush()


async def propose(
    session: AsyncSession, kind: DocumentKind, document: Mapping[str, Any], *, actor: str, now: datetime
) -> DocumentRow:
    """The first person. The same again changes nothing. Raises ``Refused`` with every fault."""
    every = await versions(session, kind)
    if repeated := next((row for row in every if row.document == document), None):
        return repeated
    version = await _checked(session, kind, document, now=now)
    if every and version <= every[0].version:
        detail = f"version is {version}; {every[0].version} is there, and every version is kept: publish {every[0].version + 1}"
        raise Refused(409, "The version is taken", detail, reason="version_differs")
    row = DocumentRow(
        kind=kind,
        version=version,
        document=dict(document),
        state=DocumentState.PROPOSED,
        proposed_by=actor,
        proposed_at=now,
    )
    session.add(row)
    await session.flush()
    return row


async def _publish_city(session: AsyncSession, document: Mapping[str, Any], now: datetime) -> None:
    try:
        await publish_city(session, CityDocument.model_validate(document).city, now=now)
    except LimitInUse as error:
        raise Refused(409, "An agent owes more than its new limit", str(error), reason="limit_in_use") from error


_ALSO: Mapping[DocumentKind, Callable[[AsyncSession, Mapping[str, Any], datetime], Awaitable[None]]] = {
    DocumentKind.CITY: _publish_city,
}
"""What else a document does when it comes into force."""


async def approve(session: AsyncSession, kind: DocumentKind, version: int, *, actor: str, now: datetime) -> DocumentRow:
    """The second person: it is in force. Checked anew on what has come into force, and on the day it is by now. Raises
    ``Refused``."""
    row, state = await _moved(session, kind, version, DocumentEvent.APPROVE)
    a_second_person(actor, first=row.proposed_by, what=f"{kind} version {version}")
    await _checked(session, kind, row.document, now=now)
    newest = await in_force(session, kind)
    if newest is not None and newest.version > version:
        detail = f"{kind} version {newest.version} is in force; put the content up as a newer one"
        raise Refused(409, "A newer version is in force", detail, reason="newer_in_force")
    row.state, row.approved_by, row.approved_at = state, actor, now
    await session.flush()
    if kind in _ALSO:
        await _ALSO[kind](session, row.document, now)
    return row


async def withdraw(session: AsyncSession, kind: DocumentKind, version: int) -> DocumentRow:
    """Either person, before the approval. The number stays taken. Raises ``Refused``."""
    row, state = await _moved(session, kind, version, DocumentEvent.WITHDRAW)
    row.state = state
    await session.flush()
    return row


async def _checked(session: AsyncSession, kind: DocumentKind, document: Mapping[str, Any], *, now: datetime) -> int:
    """Its version. Raises ``Refused`` 422 with every fault."""
    newest = await in_force(session, kind)
    before = newest.document if newest is not None else None
    around = await _surroundings(session)
    today = _business_day(around, now)
    try:
        return checked(kind, document, before=before, around=around, today=today).version
    except MalformedDocument as error:
        faults = [{"field": "document", "message": fault} for fault in error.faults]
        title = f"The document cannot come into force: {len(faults)} faults"
        raise Refused(422, title, str(error), reason="document_malformed", errors=faults) from error


async def _surroundings(session: AsyncSession) -> Surroundings:
    return Surroundings(await city(session), load_tariff((await newest_tariff(session)).document))


def _business_day(around: Surroundings, now: datetime) -> date:
    return around.city.rules().calendar.business_day(now)


def _approved(kind: DocumentKind) -> Select[DocumentRow]:
    of_kind = select(DocumentRow).where(DocumentRow.kind == kind, DocumentRow.state == DocumentState.APPROVED)
    return of_kind.order_by(DocumentRow.version.desc())


async def _moved(
    session: AsyncSession, kind: DocumentKind, version: int, event: DocumentEvent
) -> tuple[DocumentRow, DocumentState]:
    """Locks every version of the kind, so that two do not come into force at once. Raises ``Refused``."""
    locked = select(DocumentRow).where(DocumentRow.kind == kind).order_by(DocumentRow.version).with_for_update()
    await session.execute(locked.execution_options(populate_existing=True))
    row = await existing(session, kind, version)
    state = step(LIFE, f"{kind} version {version}", DocumentState(row.state), event, reason=f"document_{row.state}")
    return row, state
