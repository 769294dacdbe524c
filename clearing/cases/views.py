"""A case as it goes over HTTP and onto a page."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime

from pydantic import BaseModel

from clearing.cases.rules import KINDS, CaseKind, CaseState, Resolution, page_of
from clearing.cases.tables import CaseRow, CaseStepRow


class StepView(BaseModel):
    at: datetime
    actor: str
    event: str
    resolution: str
    note: str


class CaseView(BaseModel):
    """``overdue``: open past its deadline. ``escalated_to``: who sees to it since the owner's deadline
    passed. ``ends``: how a case of its kind can end. ``page``: where what it is about is seen, empty where that is nowhere."""

    id: str
    kind: CaseKind
    book: str
    owner: str
    amount_minor: int
    account: str
    claimant: str
    detail: str
    opened_at: datetime
    deadline: date
    overdue: bool
    escalated_to: str
    state: CaseState
    resolution: str
    proposed_by: str | None
    approved_by: str | None
    closed_at: datetime | None
    ends: tuple[Resolution, ...]
    page: str
    steps: list[StepView]


def case_view(row: CaseRow, steps: Sequence[CaseStepRow] = (), *, today: date) -> CaseView:
    """The holder's card stays out of it; the id of an open tap names the card transaction as everywhere."""
    kind, state = CaseKind(row.kind), CaseState(row.state)
    return CaseView(
        id=row.id,
        kind=kind,
        book=row.book,
        owner=row.owner,
        amount_minor=row.amount_minor,
        account=row.account,
        claimant=row.claimant,
        detail=row.detail,
        opened_at=row.opened_at,
        deadline=row.deadline,
        escalated_to=row.escalated_to,
        overdue=state is not CaseState.CLOSED and today > row.deadline,
        state=state,
        resolution=row.resolution,
        proposed_by=row.proposed_by,
        approved_by=row.approved_by,
        closed_at=row.closed_at,
        ends=KINDS[kind].resolutions,
        page=page_of(kind, row.id),
        steps=[
            StepView(at=step.at, actor=step.actor, event=step.event, resolution=step.resolution, note=step.note)
            for step in steps
        ],
    )
