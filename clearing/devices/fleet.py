"""All devices with how they are, in a few queries; and what a device says of itself, written down."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import func, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from clearing.devices.health import Due, Health, Known, Report, SamStanding, findings, sam_standing
from clearing.devices.life import DeviceState
from clearing.devices.publishing import releases
from clearing.devices.releases import NoTariff, Release, in_force
from clearing.devices.tables import DeviceHealthRow, DeviceRow
from clearing.facts.queries import sams
from clearing.facts.tables import DenyChangeRow
from rulebook.deny_list import SPREADING
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
    def health(self) -> Health | None:
        return self.findings[0] if self.findings else None

    @property
    def has_problem(self) -> bool:
        return bool(self.findings) and self.findings[0] not in {Health.OK, Health.AWAITED}


async def fleet(session: AsyncSession, *, now: datetime, device: str | None = None) -> list[Member]:
    """All that are not decommissioned, in order of their names; or the one called ``device``, whatever its state."""
    joined = select(DeviceRow, DeviceHealthRow).outerjoin(DeviceHealthRow, DeviceHealthRow.device == DeviceRow.device)
    chosen = DeviceRow.state != DeviceState.DECOMMISSIONED if device is None else DeviceRow.device == device
    rows = (await session.execute(joined.where(chosen).order_by(DeviceRow.device))).all()
    by_serial = {sam.sam_serial: sam for sam in await sams(session)}
    due = {kind: await due_versions(session, kind, now=now) for kind in DeviceKind}
    return [_member(row, health, by_serial, due, now) for row, health in rows]


async def due_versions(session: AsyncSession, kind: DeviceKind, *, now: datetime) -> Due:
    """What had the spreading time of its class to reach every terminal."""
    reported_by = now - SPREADING[kind].time
    newest = select(func.max(DenyChangeRow.number)).where(DenyChangeRow.reported_at <= reported_by)
    return Due(await session.scalar(newest) or 0, _tariff_due(await releases(session), reported_by))


async def heard_from(session: AsyncSession, device: str, *, now: datetime) -> None:
    """The device signed a request."""
    contact = insert(DeviceHealthRow).values(device=device, last_contact=now)
    old = DeviceHealthRow.last_contact < now - CONTACT_GRAIN
    await session.execute(
        contact.on_conflict_do_update(index_elements=["device"], set_={"last_contact": now}, where=old)
    )


async def take_report(session: AsyncSession, device: str, said: DeviceHealth, *, now: datetime) -> None:
    """What the device says of itself takes the place of what it said before."""
    values = said.model_dump() | {"last_contact": now, "reported_at": now}
    report = insert(DeviceHealthRow).values(device=device, **values)
    await session.execute(report.on_conflict_do_update(index_elements=["device"], set_=values))


def _tariff_due(published: list[Release], at: datetime) -> int:
    try:
        return in_force(published, at).version
    except NoTariff:
        return 0


def _member(
    row: DeviceRow,
    health: DeviceHealthRow | None,
    by_serial: Mapping[bytes, SamFact],
    due: Mapping[DeviceKind, Due],
    now: datetime,
) -> Member:
    sam = SamStanding.UNKNOWN if row.sam_serial is None else sam_standing(row.device, by_serial.get(row.sam_serial))
    known = Known(
        kind=DeviceKind(row.kind),
        state=DeviceState(row.state),
        sam=sam,
        last_contact=row.enrolled_at if health is None else health.last_contact,
        report=None if health is None else _report(health),
    )
    ended = known.state is DeviceState.DECOMMISSIONED
    return Member(row, known, () if ended else findings(known, due[known.kind], now))


def _report(row: DeviceHealthRow) -> Report | None:
    if row.reported_at is None:
        return None
    return Report(row.reported_at, DeviceHealth.model_validate({name: getattr(row, name) for name in _SAID}))
