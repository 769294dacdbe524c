"""Devices as stored."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from clearing.devices.life import Absence
from clearing.devices.tables import DeviceAbsenceRow, DeviceRow, DeviceStepRow
from clearing.verification.context import KnownDevice
from rulebook.messages.devices import DeviceKind


async def devices(session: AsyncSession) -> Sequence[DeviceRow]:
    """All, in order of their names."""
    return (await session.scalars(select(DeviceRow).order_by(DeviceRow.device))).all()


async def known_devices(session: AsyncSession) -> dict[str, KnownDevice]:
    """Those that have been enrolled, lost and decommissioned ones too."""
    last = {row.device: row for row in await _ended_absences(session)}
    return {
        row.device: known(row, last.get(row.device)) for row in await devices(session) if row.public_key is not None
    }


def known(row: DeviceRow, last: DeviceAbsenceRow | None = None) -> KnownDevice:
    """Of a device that has been enrolled. What it does after its end counts as little as after its loss. ``last``: its last
    absence that has ended."""
    assert row.sam_serial is not None
    assert row.terminal_number is not None
    away_since = row.lost_at or row.decommissioned_at
    back = last if away_since is None else None
    return KnownDevice(
        device=row.device,
        kind=DeviceKind(row.kind),
        operator=row.operator,
        sam_serial=row.sam_serial,
        terminal_number=row.terminal_number,
        lost_at=away_since if back is None else back.lost_at,
        back_at=None if back is None else back.back_at,
    )


async def _ended_absences(session: AsyncSession) -> Sequence[DeviceAbsenceRow]:
    """In order of time."""
    return (await session.scalars(select(DeviceAbsenceRow).order_by(DeviceAbsenceRow.lost_at))).all()


async def absences(session: AsyncSession) -> dict[str, tuple[Absence, ...]]:
    """By device, when it was lost: absences that have ended, then the one that has not."""
    found: dict[str, tuple[Absence, ...]] = {}
    for row in await _ended_absences(session):
        found[row.device] = (*found.get(row.device, ()), Absence(row.lost_at, row.back_at))
    for device, one in (await known_devices(session)).items():
        if one.lost_at is not None and one.back_at is None:
            found[device] = (*found.get(device, ()), Absence(one.lost_at))
    return found


async def steps(session: AsyncSession, device: str) -> Sequence[DeviceStepRow]:
    """What was done about a device, in order."""
    found = select(DeviceStepRow).where(DeviceStepRow.device == device)
    return (await session.scalars(found.order_by(DeviceStepRow.number))).all()
