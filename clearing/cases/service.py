"""Opening cases and ending them by two people; every act is a step that stays."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import datetime

from sqlalchemy import insert, select
from sqlalchemy.dialects import postgresql
from sqlalchemy.ext.asyncio import AsyncSession

from backoffice.problems import Refused
from backoffice.states import step
from backoffice.two_people import a_second_person
from clearing.base import among
from clearing.cases.rules import (
    LIFE,
    CaseEvent,
    CaseKind,
    CaseState,
    NotSuchAnEnd,
    Resolution,
    Subject,
    checked_end,
    deadline,
    escalated_deadline,
    escalates_to,
    transfer_of,
)
from clearing.cases.tables import CaseRow, CaseStepRow
from clearing.ledger.accounts import Kind, account
from clearing.ledger.service import TransfersRefused, open_accounts, post
from clearing.settlement.queries import frozen_window
from rulebook.calendar import BUSINESS_ZONE, Calendar
from rulebook.money import Amount


async def open_cases(
    session: AsyncSession, subjects: Iterable[Subject], *, calendar: Calendar, actor: str, now: datetime
) -> list[str]:
    """Open those that are new; their ids. A repeat changes nothing; one with other content raises ``Refused`` 409."""
    wanted = {subject.id: subject for subject in subjects}
    known = {row.id: row for row in await _rows(session, wanted)}
    if differing := sorted(id_ for id_, row in known.items() if subject_of(row) != wanted[id_]):
        detail = f"{', '.join(differing)} were opened with other content"
        raise Refused(409, "Known with other content", detail, reason="repeated_with_other_content")
    new = [wanted[id_] for id_ in sorted(set(wanted) - set(known))]
    if not new:
        return []
    rows = [_columns(subject) | _opened(subject, calendar, now) for subject in new]
    inserted = postgresql.insert(CaseRow).on_conflict_do_nothing().returning(CaseRow.id)
    opened = sorted(await session.scalars(inserted, rows))
    for id_ in opened:
        await _step(session, id_, "open", actor=actor, now=now, note=wanted[id_].detail)
    return opened


async def answer(session: AsyncSession, case: str, note: str, *, actor: str, now: datetime) -> CaseRow:
    """Put down what the owner, or the respondent of a dispute, says to it."""
    row, _ = await _moved(session, case, CaseEvent.ANSWER)
    await _step(session, case, CaseEvent.ANSWER, actor=actor, now=now, note=_said(note))
    return row


async def propose(
    session: AsyncSession, case: str, resolution: Resolution, note: str, *, actor: str, now: datetime
) -> CaseRow:
    """The first person: how it should end, and why."""
    row, state = await _moved(session, case, CaseEvent.PROPOSE)
    try:
        checked_end(CaseKind(row.kind), resolution)
    except NotSuchAnEnd as error:
        raise Refused(422, "A case of this kind does not end like that", str(error), reason="no_such_end") from error
    if resolution is Resolution.RELEASE and not row.claimant:
        detail = f"nobody enrolled the device of {case}; refuse it or write it off"
        raise Refused(409, "There is no operator to release it to", detail, reason="no_claimant")
    row.state, row.resolution, row.proposed_by = state, resolution, actor
    await _step(session, case, CaseEvent.PROPOSE, actor=actor, now=now, note=_said(note), resolution=resolution)
    return row


async def withdraw(session: AsyncSession, case: str, *, actor: str, now: datetime) -> CaseRow:
    """Either person takes the proposal back."""
    row, state = await _moved(session, case, CaseEvent.WITHDRAW)
    row.state, row.resolution, row.proposed_by = state, "", None
    await _step(session, case, CaseEvent.WITHDRAW, actor=actor, now=now)
    return row


async def approve(session: AsyncSession, case: str, *, actor: str, now: datetime) -> CaseRow:
    """The second person: the case ends and its entry is posted. Raises ``Refused``."""
    if (frozen := await frozen_window(session)) is not None:
        # Its result may settle what the case is about.
        detail = f"window {frozen} is proposed; approve or withdraw it first"
        raise Refused(409, "A window is being closed", detail, reason="window_proposed")
    row, state = await _moved(session, case, CaseEvent.APPROVE)
    a_second_person(actor, first=row.proposed_by, what=f"case {case}")
    row.state, row.approved_by, row.closed_at = state, actor, now
    await _post(session, row, now=now)
    await _step(session, case, CaseEvent.APPROVE, actor=actor, now=now, resolution=Resolution(row.resolution))
    return row


async def escalate_overdue(
    session: AsyncSession, *, keepers: Mapping[str, str], calendar: Calendar, actor: str, now: datetime
) -> list[str]:
    """Give every open case whose deadline has passed to the keeper of its book, once; their ids. ``keepers``: by book."""
    today = now.astimezone(BUSINESS_ZONE).date()
    late = select(CaseRow).where(CaseRow.state == CaseState.OPEN, CaseRow.escalated_to == "", CaseRow.deadline < today)
    escalated = []
    for row in await session.scalars(late.order_by(CaseRow.id).with_for_update()):
        keeper = escalates_to(row.owner, keeper=keepers[row.book], deadline=row.deadline, today=today)
        if not keeper:
            continue
        row.state = _next(row, CaseEvent.ESCALATE)
        note = f"{row.owner} {row.deadline} → {keeper}"
        row.escalated_to, row.deadline = keeper, escalated_deadline(CaseKind(row.kind), today, calendar)
        await _step(session, row.id, CaseEvent.ESCALATE, actor=actor, now=now, note=note)
        escalated.append(row.id)
    return escalated


async def close_vanished(
    session: AsyncSession,
    kind: CaseKind,
    still_there: Collection[str],
    *,
    book: str | None = None,
    actor: str,
    now: datetime,
) -> list[str]:
    """Close the cases of ``kind`` (of ``book`` where it is given) whose reason has gone by itself: the ids that are not in
    ``still_there``."""
    open_ = select(CaseRow).where(CaseRow.kind == kind, CaseRow.state != CaseState.CLOSED).with_for_update()
    if book is not None:
        open_ = open_.where(CaseRow.book == book)
    gone = [row for row in await session.scalars(open_.order_by(CaseRow.id)) if row.id not in still_there]
    for row in gone:
        row.state = _next(row, CaseEvent.VANISH)
        row.resolution, row.proposed_by, row.closed_at = "", None, now
        await _step(session, row.id, CaseEvent.VANISH, actor=actor, now=now)
    return [row.id for row in gone]


def subject_of(row: CaseRow) -> Subject:
    return Subject(
        id=row.id,
        kind=CaseKind(row.kind),
        book=row.book,
        owner=row.owner,
        amount=Amount(row.amount_minor),
        account=row.account,
        claimant=row.claimant,
        holder=row.holder,
        detail=row.detail,
    )


async def _post(session: AsyncSession, row: CaseRow, *, now: datetime) -> None:
    transfer = transfer_of(subject_of(row), Resolution(row.resolution), now.astimezone(BUSINESS_ZONE).date())
    if transfer is None:
        return
    if row.resolution == Resolution.REFUSE:
        await open_accounts(session, [account(row.book, Kind.REFUNDS_OWED, row.holder)])
    try:
        await post(session, [transfer], now=now)
    except TransfersRefused as refused:
        raise Refused(409, "The ledger refuses the entry", str(refused), reason="ledger_refuses") from refused


async def _moved(session: AsyncSession, case: str, event: CaseEvent) -> tuple[CaseRow, CaseState]:
    """The case, locked, and the state it goes to. Raises ``Refused``."""
    row = await session.get(CaseRow, case, with_for_update=True, populate_existing=True)
    if row is None:
        raise Refused(404, "There is no such case", f"case is {case}", reason="case_unknown")
    return row, _next(row, event)


def _next(row: CaseRow, event: CaseEvent) -> CaseState:
    """Raises ``Refused``."""
    return step(LIFE, f"case {row.id}", CaseState(row.state), event, reason=f"case_{row.state}")


async def _rows(session: AsyncSession, ids: Iterable[str]) -> Sequence[CaseRow]:
    return (await session.scalars(select(CaseRow).where(among(CaseRow.id, ids)))).all()


async def _step(
    session: AsyncSession,
    case: str,
    event: str,
    *,
    actor: str,
    now: datetime,
    note: str = "",
    resolution: Resolution | None = None,
) -> None:
    await session.flush()
    values = {"case": case, "at": now, "actor": actor, "event": event, "note": note, "resolution": resolution or ""}
    await session.execute(insert(CaseStepRow).values(values))


def _said(note: str) -> str:
    if not note.strip():
        raise Refused(422, "A reason must be given", "note is empty; say why in a sentence", reason="note_missing")
    return note.strip()


def _columns(subject: Subject) -> dict[str, object]:
    return {
        "id": subject.id,
        "kind": subject.kind,
        "book": subject.book,
        "owner": subject.owner,
        "amount_minor": subject.amount.minor,
        "account": subject.account,
        "claimant": subject.claimant,
        "holder": subject.holder,
        "detail": subject.detail,
    }


def _opened(subject: Subject, calendar: Calendar, now: datetime) -> dict[str, object]:
    return {
        "opened_at": now,
        "deadline": deadline(subject.kind, now.astimezone(BUSINESS_ZONE).date(), calendar),
        "escalated_to": "",
        "state": CaseState.OPEN,
        "resolution": "",
    }
