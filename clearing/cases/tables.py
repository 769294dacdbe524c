"""Cases and everything that was done about them."""

from __future__ import annotations

from datetime import date, datetime

from sqlalchemy import BigInteger, CheckConstraint, DateTime, Identity, Index
from sqlalchemy.orm import Mapped, mapped_column

from clearing.base import Base


class CaseRow(Base):
    """``clearing.cases.rules.Subject`` with where it stands. ``resolution`` is what was proposed, and once closed what holds;
    empty of a case whose reason has gone by itself. ``escalated_to``: the keeper of the book, once the owner's deadline had
    passed; ``deadline`` is the keeper's then."""

    __tablename__ = "case"
    __table_args__ = (
        CheckConstraint("amount_minor >= 0", name="amount_not_below_zero"),
        CheckConstraint("approved_by IS NULL OR approved_by <> proposed_by", name="two_persons"),
        CheckConstraint("(state = 'closed') = (closed_at IS NOT NULL)", name="closed_has_a_time"),
        Index("case_by_state", "state", "deadline"),
    )

    id: Mapped[str] = mapped_column(primary_key=True)
    kind: Mapped[str]
    book: Mapped[str]
    owner: Mapped[str]
    amount_minor: Mapped[int] = mapped_column(BigInteger)
    account: Mapped[str]
    claimant: Mapped[str]
    holder: Mapped[str]
    detail: Mapped[str]
    opened_at: Mapped[datetime] = mapped_column(DateTime(timezone=True))
    deadline: Mapped[date]
    escalated_to: Mapped[str]
    state: Mapped[str]
    resolution: Mapped[str]
    proposed_by: Mapped[str | None]
    approved_by: Mapped[str | None]
    closed_at: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))


class CaseStepRow(Base):
    """What somebody did; never changed."""

    __tablename__ = "case_step"
    __table_args__ = (Index("case_step_by_case", "case", "number"),)

    number: Mapped[int] = mapped_column(BigInteger, Identity(always=True), primary_key=True)
    case: Mapped[str]
    at: Mapped[datetime] = mapped_column(DateTime(timezone=True))
    actor: Mapped[str]
    event: Mapped[str]
    resolution: Mapped[str]
    note: Mapped[str]
