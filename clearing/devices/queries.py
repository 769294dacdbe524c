"""Devices as stored."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from clearing.devices.tables import DeviceAbsenceRow, DeviceRow, DeviceStepRow
from clearing.verification.context import Absence, KnownDevice
from rulebook.messages.devices import DeviceKind


async def devices(session: AsyncSession) -> Sequence[DeviceRow]:
    """All, in order of their names."""
    return (await session.scalars(select(DeviceRow).order_by(DeviceRow.device))).all()


async def known_devices(session: AsyncSession) -> dict[str, KnownDevice]:
    """Those that have been enrolled, lost and decommissioned ones too."""
    ended: dict[str, list[Absence]] = {}
    for row in await session.scalars(select(DeviceAbsenceRow).order_by(DeviceAbsenceRow.lost_at)):
        ended.setdefault(row.device, []).append(Absence(row.lost_at, row.back_at))
    enrolled = [row for row in await devices(session) if row.public_key is not None]
    return {row.device: known(row, ended.get(row.device, ())) for row in enrolled}


def known(row: DeviceRow, ended: Sequence[Absence] = ()) -> KnownDevice:
    """Of a device that has been enrolled. What it does after its end counts as little as after its loss. ``ended``: absences
    before this one, in order of time."""
    assert row.sam_serial is not None
    assert row.terminal_number is not None
    away_since = row.lost_at or row.decommissioned_at
    return KnownDevice(
        device=row.device,
        kind=DeviceKind(row.kind),
        operator=row.operator,
        sam_serial=row.sam_serial,
        terminal_number=row.terminal_number,
        absences=(*ended, *([Absence(away_since)] if away_since else ())),
    )


async def steps(session: AsyncSession, device: str) -> Sequence[DeviceStepRow]:
    """What was done about a device, in order."""
    found = select(DeviceStepRow).where(DeviceStepRow.device == device)
    return (await session.scalars(found.order_by(DeviceStepRow.number))).all()
