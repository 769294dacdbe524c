"""Attempts and authorisations, read and written.

A load waits for these while its card is in the reader, hundreds of them a second: what a set of them asks is one prebuilt
statement after the locks, what it stores another (benchmarks/loads.py).
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any

from sqlalchemy import ARRAY, Integer, LargeBinary, Text, bindparam, select, text, update
from sqlalchemy.ext.asyncio import AsyncSession

from clearing.facts.tables import CardFactRow
from clearing.ledger.accounts import TRANSIT, Kind, code
from clearing.loads.rules import Attempt, Authorisation, LoadKey
from clearing.loads.tables import AuthorisationRow, LoadRow
from rulebook.messages.facts import CardFact
from rulebook.messages.loads import LoadState

_GIVEN = tuple(Authorisation.__dataclass_fields__)
_FACT = tuple(column.key for column in CardFactRow.__table__.c if column.key in CardFact.model_fields)
_ATTEMPT = ("attempt", "agent", "amount_minor", "state")

_ACCOUNTS = {"prefunded": Kind.AGENT_PREFUNDED, "limited": Kind.AGENT_WITH_LIMIT}

# Always in the same order, so that two sets cannot wait for each other.
_LOCK = text(
    """
    SELECT pg_advisory_xact_lock(727004, hash)
    FROM (SELECT DISTINCT hashtext(card) AS hash FROM unnest(:cards) AS card ORDER BY hash) AS wanted
    """
).bindparams(bindparam("cards", type_=ARRAY(Text)))
_ASKED = {
    "issuer": LargeBinary,
    "serial": LargeBinary,
    "purse": Integer,
    "online_sequence": Integer,
    "prefunded": Text,
    "limited": Text,
}


def _columns_of(table: str, names: Sequence[str]) -> str:
    return ", ".join(f"{table}.{name} AS {table}_{name}" for name in names)


_FIND = text(
    f"""
    SELECT asked.place, {_columns_of("fact", _FACT)}, {_columns_of("load", _ATTEMPT)}, {_columns_of("given", _GIVEN)},
        (SELECT denied FROM clearing.deny_change AS change
         WHERE change.issuer = asked.issuer AND change.serial = asked.serial
         ORDER BY number DESC LIMIT 1) AS denied,
        (SELECT open.online_sequence FROM clearing.load AS open
         WHERE open.issuer = asked.issuer AND open.serial = asked.serial AND open.purse = asked.purse
         AND open.state = 'reserved') AS open_sequence,
        (SELECT code FROM clearing.ledger_account
         WHERE book = '{TRANSIT}' AND code IN (asked.prefunded, asked.limited) ORDER BY code LIMIT 1) AS agent_account
    FROM unnest({", ".join(f":{name}" for name in _ASKED)}) WITH ORDINALITY AS asked ({", ".join(_ASKED)}, place)
    LEFT JOIN clearing.card_fact AS fact ON fact.issuer = asked.issuer AND fact.serial = asked.serial
    LEFT JOIN clearing.load AS load ON load.issuer = asked.issuer AND load.serial = asked.serial
        AND load.purse = asked.purse AND load.online_sequence = asked.online_sequence
    LEFT JOIN clearing.load_authorisation AS given ON given.issuer = load.issuer AND given.serial = load.serial
        AND given.purse = load.purse AND given.online_sequence = load.online_sequence AND given.attempt = load.attempt
    ORDER BY asked.place, load.attempt, given.position
    """  # noqa: S608  (names of our own columns)
).bindparams(*(bindparam(name, type_=ARRAY(kind)) for name, kind in _ASKED.items()))

_ID = ("issuer", "serial", "purse", "online_sequence", "attempt")


def _insert(table: str, names: Sequence[str]) -> str:
    values = ", ".join(f":{name}" for name in names)
    return f"INSERT INTO clearing.{table} ({', '.join(names)}) VALUES ({values})"  # noqa: S608


_GIVE = _insert("load_authorisation", (*_ID, "position", *_GIVEN))
_AUTHORISE = text(_GIVE)
_RESERVE_AND_AUTHORISE = text(f"WITH attempt AS ({_insert('load', (*_ID, 'agent', 'amount_minor', 'state'))}) {_GIVE}")


async def lock_cards(session: AsyncSession, loads: Iterable[LoadKey]) -> None:
    """Two requests for one card wait for each other, also where it has no row yet."""
    await session.execute(_LOCK, {"cards": [(load.issuer + load.serial).hex() for load in loads]})


@dataclass(frozen=True, slots=True)
class Found:
    """A card and a load of it. ``denied``: what the newest change of the deny list says; ``attempts``: all under the load's id,
    oldest first; ``open_sequence``: of the card's open load, it has at most one; ``agent_account``: prefunded or with a limit,
    an agent has one of the two."""

    card: CardFact | None
    denied: bool
    attempts: list[Attempt]
    open_sequence: int | None
    agent_account: str | None


async def find(session: AsyncSession, asked: Sequence[tuple[LoadKey, str | None]]) -> list[Found]:
    """All that requests about these loads are judged by; the accounts are the agents'."""
    values = [_columns(load) | _accounts_of(agent) for load, agent in asked]
    rows = await session.execute(_FIND, {name: [value[name] for value in values] for name in _ASKED})
    return [_found(list(of_one)) for _, of_one in groupby(rows, key=lambda row: row.place)]


def _accounts_of(agent: str | None) -> dict[str, str]:
    return {name: code(kind, agent) if agent else "" for name, kind in _ACCOUNTS.items()}


def _found(rows: Sequence[Any]) -> Found:
    first = rows[0]
    known = {name: getattr(first, f"fact_{name}") for name in _FACT}
    return Found(
        card=CardFact.model_validate(known) if first.fact_issuer is not None else None,
        denied=bool(first.denied),
        attempts=list(_attempts(rows)),
        open_sequence=first.open_sequence,
        agent_account=first.agent_account,
    )


def _attempts(rows: Sequence[Any]) -> Iterator[Attempt]:
    """Of rows in order, one for each authorisation."""
    given: dict[tuple[Any, ...], list[Authorisation]] = {}
    for row in rows:
        if row.load_attempt is not None:
            of_attempt = given.setdefault(tuple(getattr(row, f"load_{name}") for name in _ATTEMPT), [])
            if row.given_random is not None:
                of_attempt.append(Authorisation(*(getattr(row, f"given_{name}") for name in _GIVEN)))
    for (number, agent, amount_minor, state), authorisations in given.items():
        yield Attempt(number, agent, amount_minor, LoadState(state), tuple(authorisations))


async def open_loads(session: AsyncSession) -> list[tuple[LoadKey, Attempt]]:
    """Every load that is reserved and neither proved nor disproved, in order of its id."""
    return await _loads(session, LoadRow.state == LoadState.RESERVED)


async def add_authorisations(
    session: AsyncSession, authorised: Iterable[tuple[LoadKey, Attempt, Authorisation]]
) -> None:
    """Each behind those its attempt already has; an attempt that has none is stored with it."""
    first, further = [], []
    for load, attempt, given in authorised:
        values = _columns(load) | {name: getattr(given, name) for name in _GIVEN}
        values |= {"attempt": attempt.number, "position": len(attempt.authorisations) + 1}
        if attempt.authorisations:
            further.append(values)
        else:
            whole = {"agent": attempt.agent, "amount_minor": attempt.amount_minor, "state": attempt.state.value}
            first.append(values | whole)
    for statement, rows in ((_RESERVE_AND_AUTHORISE, first), (_AUTHORISE, further)):
        if rows:
            await session.execute(statement, rows)


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
