"""Adjustments with who proposed and who decided them."""

from __future__ import annotations

from datetime import date, datetime

from sqlalchemy import BigInteger, CheckConstraint, DateTime, Index, text
from sqlalchemy.orm import Mapped, mapped_column

from clearing.base import Base


class AdjustmentRow(Base):
    """``clearing.adjustments.rules.Adjustment`` with where it stands. ``decided_by`` approved, refused or withdrew it;
    ``note`` says why it was refused or withdrawn. ``business_day``: of the entry, once it is posted."""

    __tablename__ = "adjustment"
    __table_args__ = (
        CheckConstraint("amount_minor > 0", name="amount_above_zero"),
        CheckConstraint(
            "state NOT IN ('posted', 'refused') OR decided_by <> proposed_by",
            name="two_persons",
        ),
        CheckConstraint(
            "(state = 'proposed') = (decided_by IS NULL) AND (state = 'proposed') = (decided_at IS NULL)",
            name="decided_by_somebody",
        ),
        CheckConstraint("(state = 'posted') = (business_day IS NOT NULL)", name="posted_on_a_day"),
        Index("adjustment_by_state", "state", "proposed_at"),
        Index(
            "adjustment_taken_back_once",
            "corrected",
            unique=True,
            postgresql_where=text("reason = 'reversal' AND state IN ('proposed', 'posted')"),
        ),
    )

    id: Mapped[str] = mapped_column(primary_key=True)
    number: Mapped[str]
    book: Mapped[str]
    giver: Mapped[str]
    receiver: Mapped[str]
    debit: Mapped[str]
    credit: Mapped[str]
    amount_minor: Mapped[int] = mapped_column(BigInteger)
    reason: Mapped[str]
    text: Mapped[str]
    corrects: Mapped[str]
    corrected: Mapped[str]
    state: Mapped[str]
    proposed_by: Mapped[str]
    proposed_at: Mapped[datetime] = mapped_column(DateTime(timezone=True))
    decided_by: Mapped[str | None]
    decided_at: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))
    note: Mapped[str]
    business_day: Mapped[date | None]
