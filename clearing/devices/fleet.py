"""All devices with how they are, in a few queries; and what a device says of itself, written down."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import inspect, select
from sqlalchemy.dialects.postgresql import Insert, insert
from sqlalchemy.ext.asyncio import AsyncSession

from clearing.devices.health import NO_PROBLEM, Health, Known, Report, SamStanding, findings, sam_standing
from clearing.devices.life import DeviceState
from clearing.devices.publishing import releases
from clearing.devices.releases import Release
from clearing.devices.tables import DeviceHealthRow, DeviceRow
from clearing.facts.queries import sams
from rulebook.messages.devices import DeviceHealth, DeviceKind
from rulebook.messages.facts import SamFact

# Ours: a contact is written down once in this time, so that a busy desk's loads do not each wait for it.
CONTACT_GRAIN = timedelta(minutes=1)
_SAID = tuple(DeviceHealth.model_fields)


@dataclass(frozen=True, slots=True)
class Member:
    """One device of the fleet; ``findings`` the gravest first, of a decommissioned one none."""

    row: DeviceRow
    known: Known
    findings: tuple[Health, ...]

    @property
    def has_problem(self) -> bool:
        return not NO_PROBLEM.issuperset(self.findings)


async def fleet(session: AsyncSession, *, now: datetime, device: str | None = None) -> list[Member]:
    """All that are not decommissioned, in order of their names; or the one called ``device``, whatever its state."""
    joined = select(DeviceRow, DeviceHealthRow).outerjoin(DeviceHealthRow, DeviceHealthRow.device == DeviceRow.device)
    chosen = DeviceRow.state != DeviceState.DECOMMISSIONED if device is None else DeviceRow.device == device
    rows = (await session.execute(joined.where(chosen).order_by(DeviceRow.device))).all()
    by_serial = {sam.sam_serial: sam for sam in await sams(session)}
    published = await releases(session)
    return [_member(row, health, by_serial, published, now) for row, health in rows]


async def begin_anew(session: AsyncSession, device: str, *, now: datetime) -> None:
    """The device was enrolled: what one of that name said before is another's word."""
    columns = (column.key for column in inspect(DeviceHealthRow).column_attrs)
    values = dict.fromkeys(columns, None) | {"device": device, "last_contact": now}
    await session.execute(_upsert(values))


async def told(session: AsyncSession, device: str, list_version: int, *, now: datetime) -> None:
    """The device asked for its parameters and was answered."""
    values = {"device": device, "last_contact": now, "told_at": now, "told_list": list_version}
    await session.execute(_upsert(values))


async def heard_from(session: AsyncSession, device: str, *, now: datetime) -> None:
    """The device signed a request."""
    contact = insert(DeviceHealthRow).values(device=device, last_contact=now)
    old = DeviceHealthRow.last_contact < now - CONTACT_GRAIN
    await session.execute(
        contact.on_conflict_do_update(index_elements=["device"], set_={"last_contact": now}, where=old)
    )


async def take_report(session: AsyncSession, device: str, said: DeviceHealth, *, now: datetime) -> None:
    """What the device says of itself takes the place of what it said before."""
    values = said.model_dump() | {"device": device, "last_contact": now, "reported_at": now}
    await session.execute(_upsert(values))


def _upsert(values: Mapping[str, Any]) -> Insert:
    statement = insert(DeviceHealthRow).values(values)
    return statement.on_conflict_do_update(index_elements=["device"], set_=values)


def _member(
    row: DeviceRow,
    health: DeviceHealthRow | None,
    by_serial: Mapping[bytes, SamFact],
    published: Sequence[Release],
    now: datetime,
) -> Member:
    sam = SamStanding.UNKNOWN if row.sam_serial is None else sam_standing(row.device, by_serial.get(row.sam_serial))
    known = Known(
        kind=DeviceKind(row.kind),
        state=DeviceState(row.state),
        sam=sam,
        last_contact=row.enrolled_at if health is None else health.last_contact,
        report=None if health is None else _report(health, row.enrolled_at or now),
    )
    ended = known.state is DeviceState.DECOMMISSIONED
    return Member(row, known, () if ended else findings(known, published, now))


def _report(row: DeviceHealthRow, enrolled_at: datetime) -> Report | None:
    if row.reported_at is None:
        return None
    said = DeviceHealth.model_validate({name: getattr(row, name) for name in _SAID})
    return Report(row.reported_at, said, row.told_at or enrolled_at, row.told_list or 0)
