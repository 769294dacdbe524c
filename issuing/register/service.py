"""Taking a population file, and finding a person again."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import insert
from sqlalchemy.ext.asyncio import AsyncSession

from backoffice.problems import Refused
from hardware.vault.vault import Vault
from issuing.feed.service import publish
from issuing.register import queries
from issuing.register.rules import Entry, FileRefused, InsuredClass, parse_file
from issuing.register.tables import PersonRow, RegisterFileRow
from rulebook.calendar.calendar import BUSINESS_ZONE
from rulebook.messages.facts import InsuredFact

SEAL_PURPOSE = "register"
TOKEN_PURPOSE = "citizen-id"  # noqa: S105
CONTENT_PURPOSE = "register-content"


@dataclass(frozen=True, slots=True)
class FileTaken:
    """``content_hash`` hexadecimal; ``added`` persons are new, ``changed`` got a new version."""

    content_hash: str
    rows: int
    added: int
    changed: int
    repeated: bool


def person_token(vault: Vault, citizen_id: str) -> str:
    """The name a person has outside this room: 64 hexadecimal digits."""
    return vault.token(TOKEN_PURPOSE, citizen_id.encode()).hex()


async def take_file(session: AsyncSession, vault: Vault, raw: bytes, *, by: str, now: datetime) -> FileTaken:
    """Take ``raw`` whole. Raises ``Refused`` 422 with every bad row; the same bytes again change nothing."""
    content_hash = hashlib.sha256(raw).hexdigest()
    if before := await session.get(RegisterFileRow, content_hash):
        return FileTaken(content_hash, before.rows, 0, 0, repeated=True)
    try:
        entries = parse_file(raw, on=now.astimezone(BUSINESS_ZONE).date())
    except FileRefused as refusal:
        raise _refused(refusal) from refusal
    session.add(RegisterFileRow(content_hash=content_hash, rows=len(entries), taken_at=now, taken_by=by))
    added, changed = await _store(session, vault, entries, content_hash, now)
    return FileTaken(content_hash, len(entries), added, changed, repeated=False)


async def find(session: AsyncSession, vault: Vault, person: str) -> Entry:
    """The person in force under this token. Raises ``Refused`` 404."""
    row = (await queries.newest(session, [person])).get(person)
    if row is None:
        raise Refused(404, "No such person in the register", reason="person_unknown")
    return open_entry(vault, row)


def open_entry(vault: Vault, row: PersonRow) -> Entry:
    """Unseal one version."""
    return Entry.from_json(vault.unseal(SEAL_PURPOSE, row.sealed))


async def _store(
    session: AsyncSession, vault: Vault, entries: Sequence[Entry], content_hash: str, now: datetime
) -> tuple[int, int]:
    persons = {person_token(vault, entry.citizen.number): entry for entry in entries}
    known = await queries.newest(session, list(persons))
    rows = []
    facts = []
    for person, entry in persons.items():
        before = known.get(person)
        content = vault.token(CONTENT_PURPOSE, entry.to_json()).hex()
        if before is not None and before.content_token == content:
            continue
        rows.append(
            {
                "person": person,
                "version": before.version + 1 if before else 1,
                "sealed": vault.seal(SEAL_PURPOSE, entry.to_json()),
                "content_token": content,
                "file": content_hash,
                "recorded_at": now,
            }
        )
        facts += _insurance_change(person, entry, open_entry(vault, before) if before else None, now)
    if rows:
        await session.execute(insert(PersonRow), rows)
    await publish(session, facts)
    changed = sum(row["version"] != 1 for row in rows)
    return len(rows) - changed, changed


def _insurance_change(person: str, entry: Entry, before: Entry | None, now: datetime) -> list[InsuredFact]:
    """Somebody who never was insured is not told about."""
    was = (before.fund, before.insured_class) if before else ("", InsuredClass.NONE)
    if was == (entry.fund, entry.insured_class):
        return []
    return [InsuredFact(person=person, fund=entry.fund, insured_class=entry.insured_class, effective=now)]


def _refused(refusal: FileRefused) -> Refused:
    errors = [{"row": f.row, "field": f.field, "message": f.message} for f in refusal.faults]
    rows = len({fault.row for fault in refusal.faults})
    return Refused(
        422,
        "The register file was refused whole",
        f"{rows} rows have faults; correct them and send the file again",
        reason="register_file_refused",
        errors=errors,
    )
