"""Which key signs, and how the next one takes its place: proposed, announced, heard by every device, signing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum, unique

from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncSession

from backoffice.problems import Refused
from backoffice.states import step
from backoffice.two_people import a_second_person
from clearing.devices.life import DeviceState
from clearing.devices.parameter_keys import KeyMissing, ParameterKeys
from clearing.devices.tables import DeviceHealthRow, DeviceRow, ParameterKeyRow
from rulebook.messages.devices import ParameterKey

_LOCK = 727006
_DEAF_SHOWN = 20


@unique
class KeyState(StrEnum):
    PROPOSED = "proposed"
    ANNOUNCED = "announced"  # every statement names it
    SIGNING = "signing"
    RETIRED = "retired"
    WITHDRAWN = "withdrawn"


@unique
class KeyEvent(StrEnum):
    APPROVE = "approve"
    WITHDRAW = "withdraw"
    SIGN = "sign"
    RETIRE = "retire"


LIFE: Mapping[tuple[KeyState, KeyEvent], KeyState] = {
    (KeyState.PROPOSED, KeyEvent.APPROVE): KeyState.ANNOUNCED,
    (KeyState.PROPOSED, KeyEvent.WITHDRAW): KeyState.WITHDRAWN,
    (KeyState.ANNOUNCED, KeyEvent.SIGN): KeyState.SIGNING,
    (KeyState.SIGNING, KeyEvent.RETIRE): KeyState.RETIRED,
}


@dataclass(frozen=True, slots=True)
class KeysInForce:
    signing: ParameterKey
    announced: ParameterKey | None


async def ensure_key(session: AsyncSession, keys: ParameterKeys, *, now: datetime) -> None:
    """The first key, made when the service first starts. Raises ``KeyMissing`` where the one in force is not there."""
    await session.execute(select(func.pg_advisory_xact_lock(_LOCK)))
    if await session.scalar(select(func.count()).select_from(ParameterKeyRow)):
        keys.sign((await keys_in_force(session)).signing, b"")
        return
    session.add(ParameterKeyRow(number=1, public=keys.make(1).public, state=KeyState.SIGNING, since=now))
    await session.flush()


async def keys_in_force(session: AsyncSession) -> KeysInForce:
    """Raises ``KeyMissing`` before the first was made."""
    named = select(ParameterKeyRow).where(ParameterKeyRow.state.in_([KeyState.SIGNING, KeyState.ANNOUNCED]))
    rows = {row.state: _key(row) for row in await session.scalars(named)}
    if KeyState.SIGNING not in rows:
        raise KeyMissing("no key signs statements yet")
    return KeysInForce(rows[KeyState.SIGNING], rows.get(KeyState.ANNOUNCED))


async def keys_history(session: AsyncSession) -> Sequence[ParameterKeyRow]:
    return (await session.scalars(select(ParameterKeyRow).order_by(ParameterKeyRow.number.desc()))).all()


async def propose(session: AsyncSession, keys: ParameterKeys, *, actor: str, now: datetime) -> ParameterKeyRow:
    """The first person: a new key, made here. Raises ``Refused``."""
    await session.execute(select(func.pg_advisory_xact_lock(_LOCK)))
    signing = (await keys_in_force(session)).signing
    row = await session.get(ParameterKeyRow, signing.number + 1, with_for_update=True)
    if row is not None and row.state != KeyState.WITHDRAWN:
        detail = f"key {row.number} is {row.state}; let it sign, or withdraw it, before the next"
        raise Refused(409, "A next key is there already", detail, reason="next_key_there")
    made = keys.make(signing.number + 1)
    row = await session.merge(
        ParameterKeyRow(
            number=made.number,
            public=made.public,
            state=KeyState.PROPOSED,
            proposed_by=actor,
            approved_by=None,
            since=now,
        )
    )
    await session.flush()
    return row


async def approve(session: AsyncSession, number: int, *, actor: str, now: datetime) -> ParameterKeyRow:
    """The second person: from now on every statement announces it. Raises ``Refused``."""
    row = await _locked(session, number)
    state = _next(row, KeyEvent.APPROVE)
    a_second_person(actor, first=row.proposed_by, what=f"key {number}")
    row.state, row.approved_by, row.since = state, actor, now
    await session.flush()
    return row


async def withdraw(session: AsyncSession, number: int) -> ParameterKeyRow:
    """Either person, before the approval. Raises ``Refused``."""
    row = await _locked(session, number)
    row.state = _next(row, KeyEvent.WITHDRAW)
    await session.flush()
    return row


async def let_sign(session: AsyncSession, number: int, *, now: datetime) -> ParameterKeyRow:
    """The announced key signs from now on. A device that has not heard of it could never be told anything again, so
    every enrolled one must have. Raises ``Refused``."""
    row = await _locked(session, number)
    state = _next(row, KeyEvent.SIGN)
    if deaf := await _not_told(session, row):
        more = f" and {len(deaf) - _DEAF_SHOWN} more" if len(deaf) > _DEAF_SHOWN else ""
        detail = f"{', '.join(deaf[:_DEAF_SHOWN])}{more} do not know key {number}; reach them or report them lost"
        raise Refused(409, "Not every device knows the key", detail, reason="devices_not_told")
    old = await _locked(session, number - 1)
    old.state, old.since = _next(old, KeyEvent.RETIRE), now
    await session.flush()  # never do two of them sign
    row.state, row.since = state, now
    await session.flush()
    return row


async def _not_told(session: AsyncSession, key: ParameterKeyRow) -> list[str]:
    """Enrolled devices that do not say they trust ``key``. One that was enrolled since it was announced got it then."""
    found = (
        select(DeviceRow.device)
        .outerjoin(DeviceHealthRow, DeviceHealthRow.device == DeviceRow.device)
        .where(
            DeviceRow.state == DeviceState.ENROLLED,
            DeviceRow.enrolled_at <= key.since,
            (DeviceHealthRow.parameter_key >= key.number).is_not(True),
        )
    )
    return list(await session.scalars(found.order_by(DeviceRow.device)))


async def _locked(session: AsyncSession, number: int) -> ParameterKeyRow:
    row = await session.get(ParameterKeyRow, number, with_for_update=True, populate_existing=True)
    if row is None:
        raise Refused(404, "There is no such key", f"key is {number}", reason="key_unknown")
    return row


def _next(row: ParameterKeyRow, event: KeyEvent) -> KeyState:
    """Raises ``Refused``."""
    return step(LIFE, f"key {row.number}", KeyState(row.state), event, reason=f"key_{row.state}")


def _key(row: ParameterKeyRow) -> ParameterKey:
    return ParameterKey(number=row.number, public=row.public)
