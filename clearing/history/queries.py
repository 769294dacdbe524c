"""Which cleared files there are, and whose card it is."""

from __future__ import annotations

from collections.abc import Collection
from datetime import date, timedelta

from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncSession

from clearing.facts.tables import CardFactRow
from clearing.settlement.tables import ClearedFileRow


async def card_of(session: AsyncSession, serial: bytes, issuers: Collection[bytes]) -> bytes | None:
    """Issuer id ‖ serial of our card of that serial; None for one that the feed has not told of."""
    of_serial = select(CardFactRow.issuer).where(CardFactRow.serial == serial, CardFactRow.issuer.in_(issuers))
    issuer = await session.scalar(of_serial.order_by(CardFactRow.number.desc()).limit(1))
    return None if issuer is None else issuer + serial


async def cleared_names(session: AsyncSession) -> list[str]:
    """Of every file of closed windows, the oldest window's first."""
    return list(await session.scalars(_NAMES))


async def cleared_names_of(session: AsyncSession, bucket: int, first_day: date, last_day: date) -> list[str]:
    """Those of one bucket in all months from the one of ``first_day`` to the one of ``last_day``."""
    after_last = (last_day.replace(day=1) + timedelta(days=31)).replace(day=1)
    name = ClearedFileRow.name
    of_months = _NAMES.where(name >= f"cleared/{first_day:%Y-%m}-01", name < f"cleared/{after_last:%F}")
    return list(await session.scalars(of_months.where(name.like(f"cleared/%/{bucket:02}-%"))))


# A file of the same rows may be of several windows.
_NAMES = (
    select(ClearedFileRow.name)
    .group_by(ClearedFileRow.name)
    .order_by(func.min(ClearedFileRow.window), ClearedFileRow.name)
)
