"""Restatements as stored, and everything one is computed from."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import date
from typing import Any

from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncSession

from clearing.day.kept import KeptRegister
from clearing.day.model import Stretch
from clearing.files import Files
from clearing.ledger.accounts import TRANSIT
from clearing.participants.closing import Agreed
from clearing.participants.rules import City
from clearing.participants.service import city, laid_out, tariff_documents
from clearing.restatement.differences import Corrections
from clearing.restatement.entries import Bookkeeping
from clearing.restatement.life import RestatementState
from clearing.restatement.rides import ClearedFile, WindowFacts
from clearing.restatement.rules import Correction
from clearing.restatement.tables import RestatementRow
from clearing.restatement.workshop import RestatementInputs
from clearing.settlement.encoding import canonical_json
from clearing.settlement.frozen import Frozen, Piece, read
from clearing.settlement.tables import ClearedFileRow, WindowRow

_IN_THE_LEDGER = (RestatementState.APPROVED, RestatementState.POSTED)


async def restatements(session: AsyncSession) -> Sequence[RestatementRow]:
    """Newest first."""
    return (await session.scalars(select(RestatementRow).order_by(RestatementRow.proposed_at.desc()))).all()


async def last_place(session: AsyncSession) -> int:
    return await session.scalar(select(func.max(RestatementRow.place))) or 0


def correction_of(row: RestatementRow) -> Correction:
    return Correction(
        number=row.number,
        first_day=row.first_day,
        last_day=row.last_day,
        tariff_version=row.tariff_version,
        borne_by=row.borne_by,
        through_window=row.through_window,
        lines=frozenset(row.lines),
        operators=frozenset(row.operators),
    )


@dataclass(frozen=True, slots=True)
class Gathered:
    """What the database says; the files it names are read by ``inputs_of``. ``cleared``: (window, name, SHA-256)."""

    corrections: Corrections
    cleared: tuple[tuple[int, str, str], ...]
    manifests: Mapping[int, bytes]
    tariffs: Mapping[int, Mapping[str, Any]]
    accounts: Mapping[str, str]

    @property
    def digest(self) -> bytes:
        """Of everything that the entries follow from."""
        plain = {
            "corrections": [_plain(one) for one in self.corrections.every],
            "cleared": [list(file) for file in self.cleared],
            "tariffs": [[version, document] for version, document in sorted(self.tariffs.items())],
            "accounts": dict(self.accounts),
        }
        return hashlib.sha256(canonical_json(plain)).digest()


async def gather(session: AsyncSession, row: RestatementRow) -> Gathered:
    """As everything stands now: through the last window that cleared anything of the period."""
    now = correction_of(row)
    here = await city(session)
    cleared = await cleared_of_period(session, row.first_day, row.last_day)
    windows = sorted({window for window, _, _ in cleared})
    manifests = await session.execute(
        select(WindowRow.number, WindowRow.manifest).where(WindowRow.number.in_(windows)).order_by(WindowRow.number)
    )
    return Gathered(
        corrections=Corrections(await _earlier(session, row), replace(now, through_window=max(windows, default=0))),
        cleared=tuple(cleared),
        manifests={number: manifest for number, manifest in manifests if manifest is not None},
        tariffs=await tariff_documents(session),
        accounts=bearers(here),
    )


async def cleared_of_period(session: AsyncSession, first_day: date, last_day: date) -> list[tuple[int, str, str]]:
    """(window, name, SHA-256) of the cleared files of those business days."""
    found = select(ClearedFileRow.window, ClearedFileRow.name, ClearedFileRow.sha256).where(
        ClearedFileRow.name >= f"cleared/{first_day:%F}/",
        ClearedFileRow.name < f"cleared/{last_day:%F}/~",
    )
    return [
        (window, name, sha256) for window, name, sha256 in await session.execute(found.order_by(ClearedFileRow.name))
    ]


def bearers(here: City) -> dict[str, str]:
    """Who may bear what was charged less, with the account by which it settles in the transit book."""
    found = {participant.id: here.settlement_account(participant.id, TRANSIT) for participant in here.participants}
    return {participant: code for participant, code in sorted(found.items()) if code is not None}


def inputs_of(gathered: Gathered, files: Files) -> RestatementInputs:
    """Reads what the windows were frozen on. Raises ``FrozenPartDiffers``."""
    frozen = {window: read(manifest, files.frozen) for window, manifest in gathered.manifests.items()}
    return RestatementInputs(
        corrections=gathered.corrections,
        files=tuple(ClearedFile(window, files.results / name) for window, name, _ in gathered.cleared),
        journals=_journals(frozen.values(), files),
        windows={window: _facts(one, files) for window, one in frozen.items()},
        tariffs={version: laid_out(document) for version, document in gathered.tariffs.items()},
        bookkeeping=Bookkeeping(gathered.corrections.now.number, gathered.accounts),
    )


async def _earlier(session: AsyncSession, row: RestatementRow) -> tuple[Correction, ...]:
    """Those in the ledger, or on their way there, in the order of their approval."""
    found = select(RestatementRow).where(RestatementRow.state.in_(_IN_THE_LEDGER), RestatementRow.number != row.number)
    rows = await session.scalars(found.order_by(RestatementRow.place))
    return tuple(correction_of(one) for one in rows)


def _plain(one: Correction) -> dict[str, Any]:
    fields = asdict(one) | {"lines": sorted(one.lines), "operators": sorted(one.operators)}
    return fields | {"first_day": one.first_day.isoformat(), "last_day": one.last_day.isoformat()}


def _facts(frozen: Frozen, files: Files) -> WindowFacts:
    operators = {name: device.operator for name, device in frozen.devices.items()}
    cards = {bucket: files.frozen.path(sha256) for bucket, sha256 in frozen.cards.items()}
    agreed = Agreed.of(frozen.documents, City.model_validate(frozen.city))
    tariffs = {version: laid_out(document) for version, document in frozen.tariffs.items()}
    return WindowFacts(operators, KeptRegister(cards, {}), agreed.agreements, tariffs)


def _journals(every: Iterable[Frozen], files: Files) -> dict[str, tuple[Stretch, ...]]:
    pieces: dict[str, set[Piece]] = {}
    for frozen in every:
        for piece in (*frozen.records, *frozen.waiting):
            pieces.setdefault(piece.device, set()).add(piece)
    path = files.raw.path
    return {
        device: tuple(sorted(Stretch(p.device, p.first, p.count, path(p.stored_as), p.offset) for p in of_device))
        for device, of_device in sorted(pieces.items())
    }
