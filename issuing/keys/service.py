"""Writing the key log, and counting it against the registers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import insert
from sqlalchemy.ext.asyncio import AsyncSession

from issuing.keys.tables import KeyLogRow


@dataclass(frozen=True, slots=True)
class WrittenKey:
    """One key a chip took. ``directory`` is the FID of its DF."""

    directory: int
    key_type: int
    key_id: int
    label: str
    version: int


async def log(session: AsyncSession, chip_serial: bytes, keys: Sequence[WrittenKey], *, now: datetime) -> None:
    """Add lines in the order of writing."""
    if not keys:
        return
    rows = [
        {
            "chip_serial": chip_serial,
            "directory": key.directory,
            "key_type": key.key_type,
            "key_id": key.key_id,
            "label": key.label,
            "version": key.version,
            "written_at": now,
        }
        for key in keys
    ]
    await session.execute(insert(KeyLogRow), rows)
