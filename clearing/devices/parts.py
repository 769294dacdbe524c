"""The parts that statements name: tariff documents and the deny list between any two of its versions."""

from __future__ import annotations

from hashlib import sha256

from sqlalchemy import func, select, text
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from clearing.devices.tables import DenyListPartRow
from clearing.facts.tables import DenyChangeRow
from clearing.participants.tables import TariffRow
from rulebook.parameters import ListPart, canonical_json, framed

# The rows of ``rulebook.parameters.deny_changes``, laid out where they are: half a million cards would hold up every other
# request for seconds, were they laid out here.
_CHANGES = text("""
SELECT string_agg(
    issuer || serial || int8send((extract(epoch FROM reported_at) * 1000000)::bigint)
        || CASE WHEN denied THEN '\\x01'::bytea ELSE '\\x00'::bytea END,
    ''::bytea ORDER BY issuer, serial)
FROM (
    SELECT DISTINCT ON (issuer, serial) issuer, serial, reported_at, denied FROM clearing.deny_change
    WHERE number > :after AND number <= :until ORDER BY issuer, serial, number DESC
) AS newest WHERE denied OR :after > 0
""")


async def tariff_part(session: AsyncSession, version: int) -> bytes | None:
    """The published document's canonical JSON; None of one that is not published."""
    row = await session.get(TariffRow, version)
    return None if row is None else canonical_json(row.document)


async def list_version(session: AsyncSession) -> int:
    """0 for a list that nothing has been put on yet."""
    return await session.scalar(select(func.max(DenyChangeRow.number))) or 0


async def deny_changes(session: AsyncSession, after: int, until: int) -> bytes:
    """How each card whose standing changed in between stands at version ``until``: ``rulebook.parameters.DenyChanges``,
    encoded. After 0 the whole list."""
    rows = await session.scalar(_CHANGES, {"after": after, "until": until})
    return framed(after, until, rows or b"")


async def list_part(session: AsyncSession) -> ListPart:
    """The newest deny list; its hash is computed once for each version."""
    version = await list_version(session)
    row = await session.get(DenyListPartRow, version)
    if row is not None:
        return ListPart(version=version, sha256=row.sha256)
    digest = sha256(await deny_changes(session, 0, version)).digest()
    await session.execute(insert(DenyListPartRow).values(version=version, sha256=digest).on_conflict_do_nothing())
    return ListPart(version=version, sha256=digest)
