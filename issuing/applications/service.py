"""Applying for cards and deciding about applications, one or many: a batch is taken whole or refused whole."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import insert, select
from sqlalchemy.ext.asyncio import AsyncSession

from backoffice.problems import Refused
from backoffice.two_people import a_second_person
from hardware.vault.vault import Vault
from issuing.applications.rules import OPEN, ApplicationEvent, ApplicationState, next_state
from issuing.applications.tables import ApplicationRow
from issuing.card_register.tables import CardRow
from issuing.products import PRODUCTS
from issuing.register import queries as register
from issuing.register.service import person_token
from rulebook.messages.facts import CardState

# A person has one card at a time: a lost or closed one may be replaced, these may not.
_HELD = (CardState.PERSONALISED, CardState.ACTIVE, CardState.BLOCKED)


@dataclass(frozen=True, slots=True)
class Application:
    """A request: ``application`` is the originator's id."""

    application: str
    citizen_id: str
    product: str


async def apply(session: AsyncSession, vault: Vault, requests: Sequence[Application], *, by: str, now: datetime) -> int:
    """Store ``requests``; how many were new. Equal repeats change nothing. Raises ``Refused`` 422 with every fault."""
    persons = {request.application: person_token(vault, request.citizen_id) for request in requests}
    known = await register.newest(session, list(persons.values()))
    before = {row.application: row for row in await _rows(session, list(persons))}
    open_persons = await _persons_with_open_application(session, list(persons.values()))
    holders = await _persons_with_card(session, list(persons.values()))
    faults = []
    rows = []
    for number, request in enumerate(requests, 1):
        person = persons[request.application]
        if (earlier := before.get(request.application)) is not None:
            if (earlier.person, earlier.product) != (person, request.product):
                faults.append(_fault(number, "application", "was used before with other content"))
            continue
        if person not in known:
            faults.append(_fault(number, "citizen_id", "is not in the register"))
        elif person in open_persons:
            faults.append(_fault(number, "citizen_id", "has an open application already"))
        elif person in holders:
            faults.append(_fault(number, "citizen_id", "has a card already; report its loss or close it first"))
        if request.product not in PRODUCTS:
            faults.append(_fault(number, "product", f"is {request.product!r}; it must be one of {', '.join(PRODUCTS)}"))
        open_persons.add(person)
        rows.append(_row(request, person, by, now))
    if len(persons) != len(requests):
        faults.append(_fault(0, "application", "the same id stands twice in this batch"))
    if faults:
        raise Refused(422, "The applications were refused", reason="applications_refused", errors=faults)
    if rows:
        await session.execute(insert(ApplicationRow), rows)
    return len(rows)


async def decide(
    session: AsyncSession, applications: Sequence[str], event: ApplicationEvent, *, by: str, now: datetime
) -> None:
    """Approve or refuse all of ``applications``. Raises ``Refused`` 404, 409 for one's own and for a wrong state."""
    rows = {row.application: row for row in await _rows(session, applications, lock=True)}
    if missing := [name for name in applications if name not in rows]:
        raise Refused(404, "No such application", f"unknown: {', '.join(missing)}", reason="application_unknown")
    if own := [name for name, row in rows.items() if row.applied_by == by]:
        a_second_person(by, first=by, what=f"application {', '.join(own)}")
    for row in rows.values():
        row.state = next_state(ApplicationState(row.state), event)
        row.decided_by, row.decided_at = by, now
    await session.flush()


async def next_approved(session: AsyncSession, application: str | None = None) -> ApplicationRow | None:
    """The named application, or the oldest approved one, locked for production; one that another counter has is passed
    over. Raises ``Refused`` 404 where the named one is unknown."""
    wanted = select(ApplicationRow).with_for_update(skip_locked=application is None)
    if application is not None:
        row = await session.scalar(wanted.where(ApplicationRow.application == application))
        if row is None:
            raise Refused(404, "No such application", reason="application_unknown")
        return row
    ready = wanted.where(ApplicationRow.state == ApplicationState.APPROVED).order_by(ApplicationRow.arrival).limit(1)
    return await session.scalar(ready)


async def move(session: AsyncSession, applications: Sequence[str], event: ApplicationEvent) -> None:
    """Let production and the counter move ``applications`` on."""
    for row in await _rows(session, applications, lock=True):
        row.state = next_state(ApplicationState(row.state), event)
    await session.flush()


async def _rows(session: AsyncSession, applications: Sequence[str], *, lock: bool = False) -> Sequence[ApplicationRow]:
    wanted = select(ApplicationRow).where(ApplicationRow.application.in_(applications))
    wanted = wanted.order_by(ApplicationRow.application)
    return (await session.scalars(wanted.with_for_update() if lock else wanted)).all()


async def _persons_with_open_application(session: AsyncSession, persons: Sequence[str]) -> set[str]:
    wanted = select(ApplicationRow.person).where(ApplicationRow.person.in_(persons), ApplicationRow.state.in_(OPEN))
    return set(await session.scalars(wanted))


async def _persons_with_card(session: AsyncSession, persons: Sequence[str]) -> set[str]:
    wanted = select(CardRow.person).where(CardRow.person.in_(persons), CardRow.state.in_(_HELD))
    return set(await session.scalars(wanted))


def _fault(row: int, field: str, message: str) -> dict[str, object]:
    return {"row": row, "field": field, "message": message}


def _row(request: Application, person: str, by: str, now: datetime) -> dict[str, object]:
    return {
        "application": request.application,
        "person": person,
        "product": request.product,
        "state": ApplicationState.SUBMITTED,
        "applied_by": by,
        "applied_at": now,
    }
