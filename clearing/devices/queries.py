"""Devices as stored."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from clearing.devices.rules import DeviceState
from clearing.devices.tables import DeviceRow
from clearing.verification.context import KnownDevice
from rulebook.messages.devices import DeviceKind


async def devices(session: AsyncSession) -> Sequence[DeviceRow]:
    """All, in order of their names."""
    return (await session.scalars(select(DeviceRow).order_by(DeviceRow.device))).all()


async def known_devices(session: AsyncSession) -> dict[str, KnownDevice]:
    """Those that have been enrolled, lost ones too."""
    rows = await devices(session)
    return {row.device: known(row) for row in rows if row.state != DeviceState.INVITED}


def known(row: DeviceRow) -> KnownDevice:
    """Of an enrolled device."""
    assert row.sam_serial is not None
    assert row.terminal_number is not None
    return KnownDevice(
        device=row.device,
        kind=DeviceKind(row.kind),
        operator=row.operator,
        sam_serial=row.sam_serial,
        terminal_number=row.terminal_number,
        lost_at=row.lost_at,
    )
