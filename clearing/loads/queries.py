"""Attempts and authorisations, read and written."""

from __future__ import annotations

from collections import defaultdict
from typing import Any

from sqlalchemy import select, text, update
from sqlalchemy.ext.asyncio import AsyncSession

from clearing.facts.tables import DenyChangeRow
from clearing.loads.rules import Attempt, Authorisation, LoadKey
from clearing.loads.tables import AuthorisationRow, LoadRow
from rulebook.messages.loads import LoadState

_GIVEN = tuple(Authorisation.__dataclass_fields__)


async def lock_card(session: AsyncSession, issuer: bytes, serial: bytes) -> None:
    """Two requests for one card wait for each other, also where it has no row yet."""
    await session.execute(
        text("SELECT pg_advisory_xact_lock(727004, hashtext(:card))"), {"card": (issuer + serial).hex()}
    )


async def is_denied(session: AsyncSession, issuer: bytes, serial: bytes) -> bool:
    """What the newest change of the deny list says of the card."""
    newest = select(DenyChangeRow.denied).where(DenyChangeRow.issuer == issuer, DenyChangeRow.serial == serial)
    return bool(await session.scalar(newest.order_by(DenyChangeRow.number.desc()).limit(1)))


async def attempts(session: AsyncSession, load: LoadKey) -> list[Attempt]:
    """Every attempt under the id, oldest first."""
    return [attempt for _, attempt in await _loads(session, *_is(LoadRow, load))]


async def open_loads(session: AsyncSession) -> list[tuple[LoadKey, Attempt]]:
    """Every load that is reserved and neither proved nor disproved, in order of its id."""
    return await _loads(session, LoadRow.state == LoadState.RESERVED)


async def open_sequence(session: AsyncSession, load: LoadKey) -> int | None:
    """The on-line sequence of the card's open load; it has at most one."""
    found: int | None = await session.scalar(
        select(LoadRow.online_sequence).where(
            LoadRow.issuer == load.issuer,
            LoadRow.serial == load.serial,
            LoadRow.purse == load.purse,
            LoadRow.state == LoadState.RESERVED,
        )
    )
    return found


async def add_attempt(session: AsyncSession, load: LoadKey, attempt: Attempt) -> None:
    session.add(
        LoadRow(
            **_columns(load),
            attempt=attempt.number,
            agent=attempt.agent,
            amount_minor=attempt.amount_minor,
            state=attempt.state,
        )
    )
    await session.flush()


async def add_authorisation(session: AsyncSession, load: LoadKey, attempt: Attempt, given: Authorisation) -> None:
    """Behind those ``attempt`` already has."""
    values = {name: getattr(given, name) for name in _GIVEN}
    position = len(attempt.authorisations) + 1
    session.add(AuthorisationRow(**_columns(load), attempt=attempt.number, position=position, **values))
    await session.flush()


async def set_state(
    session: AsyncSession,
    load: LoadKey,
    attempt: Attempt,
    state: LoadState,
    *,
    executed_random: bytes | None = None,
    tac: bytes | None = None,
) -> None:
    """The proof belongs to a posted load and to no other."""
    change = update(LoadRow).where(*_is(LoadRow, load), LoadRow.attempt == attempt.number)
    await session.execute(change.values(state=state, executed_random=executed_random, tac=tac))


async def executed_random(session: AsyncSession, load: LoadKey) -> bytes | None:
    """The random of the INITIALIZE whose load was posted under this id."""
    found: bytes | None = await session.scalar(
        select(LoadRow.executed_random).where(*_is(LoadRow, load), LoadRow.state == LoadState.POSTED)
    )
    return found


async def _loads(session: AsyncSession, *conditions: Any) -> list[tuple[LoadKey, Attempt]]:
    rows = list(
        await session.execute(select(*LoadRow.__table__.c).where(*conditions).order_by(*LoadRow.__table__.primary_key))
    )
    given = await _authorisations(session, [(_key(row), row.attempt) for row in rows])
    return [
        (
            _key(row),
            Attempt(
                row.attempt, row.agent, row.amount_minor, LoadState(row.state), tuple(given[_key(row), row.attempt])
            ),
        )
        for row in rows
    ]


async def _authorisations(
    session: AsyncSession, wanted: list[tuple[LoadKey, int]]
) -> dict[tuple[LoadKey, int], list[Authorisation]]:
    found: dict[tuple[LoadKey, int], list[Authorisation]] = defaultdict(list)
    serials = {load.serial for load, _ in wanted}
    columns = AuthorisationRow.__table__.c
    query = select(*columns).where(AuthorisationRow.serial.in_(serials)).order_by(AuthorisationRow.position)
    for row in await session.execute(query):
        found[_key(row), row.attempt].append(Authorisation(*(getattr(row, name) for name in _GIVEN)))
    return found


def _key(row: Any) -> LoadKey:
    return LoadKey(row.issuer, row.serial, row.purse, row.online_sequence)


def _columns(load: LoadKey) -> dict[str, Any]:
    return {
        "issuer": load.issuer,
        "serial": load.serial,
        "purse": load.purse,
        "online_sequence": load.online_sequence,
    }


def _is(row: Any, load: LoadKey) -> list[Any]:
    return [getattr(row, name) == value for name, value in _columns(load).items()]
