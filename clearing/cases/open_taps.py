"""Every value that a closed window leaves on "open taps" is a case until it is gone from there."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy.ext.asyncio import AsyncSession

from clearing.cases.escalation import ACTOR, escalate
from clearing.cases.rules import CaseKind, Subject, open_tap
from clearing.cases.service import close_vanished, open_cases
from clearing.devices.queries import known_devices
from clearing.ledger.accounts import TRANSIT
from clearing.participants.service import city
from clearing.settlement.open_taps import OpenTap, open_taps


async def follow_open_taps(session: AsyncSession, *, now: datetime) -> list[str]:
    """After a window has closed: open a case for each new item, close those that were proved since; ids of the new ones."""
    await escalate(session, now=now)
    of = await city(session)
    operators = {name: device.operator for name, device in (await known_devices(session)).items()}
    held = await open_taps(session)
    keeper = of.keepers[TRANSIT]
    subjects = [_subject(tap, operators, keeper) for tap in held]
    calendar = of.rules().calendar
    await close_vanished(session, CaseKind.OPEN_TAP, {subject.id for subject in subjects}, actor=ACTOR, now=now)
    return await open_cases(session, subjects, calendar=calendar, actor=ACTOR, now=now)


def _subject(tap: OpenTap, operators: dict[str, str], keeper: str) -> Subject:
    """Of the operator whose device wrote the first record of it."""
    operator = next((operators[record.device] for record in tap.records if record.device in operators), "")
    serial = tap.transaction.serial.hex().upper()
    return open_tap(str(tap.transaction), tap.amount_minor, serial=serial, operator=operator, keeper=keeper)
