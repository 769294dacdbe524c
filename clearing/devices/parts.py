"""The parts that statements name: tariff documents and the deny list between any two of its versions."""

from __future__ import annotations

from sqlalchemy import func, select
from sqlalchemy.dialects.postgresql import distinct_on, insert
from sqlalchemy.ext.asyncio import AsyncSession

from clearing.devices.tables import DenyListPartRow
from clearing.facts.tables import DenyChangeRow
from clearing.participants.tables import TariffRow
from rulebook.parameters import DenyChange, DenyChanges, ListPart, canonical_json


async def tariff_part(session: AsyncSession, version: int) -> bytes | None:
    """The published document's canonical JSON; None of one that is not published."""
    row = await session.get(TariffRow, version)
    return None if row is None else canonical_json(row.document)


async def list_version(session: AsyncSession) -> int:
    """0 for a list that nothing has been put on yet."""
    return await session.scalar(select(func.max(DenyChangeRow.number))) or 0


async def deny_changes(session: AsyncSession, after: int, until: int) -> DenyChanges:
    """How each card whose standing changed in between stands at version ``until``."""
    newest = (
        select(DenyChangeRow.issuer, DenyChangeRow.serial, DenyChangeRow.reported_at, DenyChangeRow.denied)
        .ext(distinct_on(DenyChangeRow.issuer, DenyChangeRow.serial))
        .where(DenyChangeRow.number > after, DenyChangeRow.number <= until)
        .order_by(DenyChangeRow.issuer, DenyChangeRow.serial, DenyChangeRow.number.desc())
    )
    rows = await session.execute(newest)
    return DenyChanges.between(after, until, (DenyChange(*row) for row in rows))


async def list_part(session: AsyncSession) -> ListPart:
    """The newest deny list; its hash is computed once for each version."""
    version = await list_version(session)
    row = await session.get(DenyListPartRow, version)
    if row is not None:
        return ListPart(version=version, sha256=row.sha256)
    whole = await deny_changes(session, 0, version)
    values = {"version": version, "sha256": whole.sha256, "cards": len(whole.changes)}
    await session.execute(insert(DenyListPartRow).values(values).on_conflict_do_nothing())
    return ListPart(version=version, sha256=whole.sha256)
