"""Windows, their frozen manifests and results."""

from __future__ import annotations

from datetime import date, datetime

from sqlalchemy import BigInteger, CheckConstraint, DateTime, Index, LargeBinary, text
from sqlalchemy.orm import Mapped, mapped_column

from clearing.base import Base


class WindowRow(Base):
    """``manifest`` and ``result`` are canonical JSON, frozen by the first person and kept as they were; a proposal that is
    withdrawn leaves none, the audit trail has its name."""

    __tablename__ = "settlement_window"
    __table_args__ = (
        CheckConstraint("approved_by IS NULL OR approved_by <> proposed_by", name="two_persons"),
        CheckConstraint(
            "(state IN ('proposed', 'closed'))"
            " = (proposed_by IS NOT NULL AND manifest IS NOT NULL AND result IS NOT NULL)",
            name="frozen_when_proposed",
        ),
        Index("settlement_window_one_open", "state", unique=True, postgresql_where=text("state = 'open'")),
    )

    number: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    state: Mapped[str]
    opened_at: Mapped[datetime] = mapped_column(DateTime(timezone=True))
    business_day: Mapped[date | None]
    proposed_by: Mapped[str | None]
    proposed_at: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))
    approved_by: Mapped[str | None]
    approved_at: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))
    manifest: Mapped[bytes | None] = mapped_column(LargeBinary)
    result: Mapped[bytes | None] = mapped_column(LargeBinary)


class DecisionRow(Base):
    """How a record ended in a window. A suspended one may end again in a later window."""

    __tablename__ = "record_decision"

    window: Mapped[int] = mapped_column(primary_key=True)
    device: Mapped[str] = mapped_column(primary_key=True)
    journal_sequence: Mapped[int] = mapped_column(BigInteger, primary_key=True)
    status: Mapped[str]
    reason: Mapped[str]


class SettledRow(Base):
    """A card transaction that moved money. The key keeps a purchase id from being paid twice, for ever."""

    __tablename__ = "settled_transaction"

    id: Mapped[str] = mapped_column(primary_key=True)
    fingerprint: Mapped[bytes] = mapped_column(LargeBinary)
    evidence: Mapped[str]
    window: Mapped[int]
