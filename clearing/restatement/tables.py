"""Restatements: what was to be corrected, by whom, and how far its entries are posted."""

from __future__ import annotations

from datetime import date, datetime
from typing import Any

from sqlalchemy import CheckConstraint, DateTime, LargeBinary, UniqueConstraint
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from clearing.base import Base


class RestatementRow(Base):
    """``lines`` and ``operators``: only those, empty for all. ``through_window`` and ``inputs`` (the digest of everything it
    followed from) are the last computation's, ``computed`` its outcome (``queries.Computed``). ``place``: its place among all
    that were approved. ``pieces_posted`` of the entries' pieces are in the ledger, on ``business_day``."""

    __tablename__ = "restatement"
    __table_args__ = (
        CheckConstraint("first_day <= last_day", name="first_before_last"),
        CheckConstraint("approved_by IS NULL OR approved_by <> proposed_by", name="two_persons"),
        CheckConstraint(
            "(state IN ('approved', 'posted')) = (approved_by IS NOT NULL AND place IS NOT NULL"
            " AND business_day IS NOT NULL)",
            name="approved_by_somebody",
        ),
        CheckConstraint(
            "state NOT IN ('computed', 'approved', 'posted') OR computed IS NOT NULL", name="computed_first"
        ),
        UniqueConstraint("place"),
    )

    number: Mapped[str] = mapped_column(primary_key=True)
    first_day: Mapped[date]
    last_day: Mapped[date]
    lines: Mapped[list[str]] = mapped_column(JSONB)
    operators: Mapped[list[str]] = mapped_column(JSONB)
    tariff_version: Mapped[int]
    borne_by: Mapped[str]
    reason: Mapped[str]
    state: Mapped[str]
    proposed_by: Mapped[str]
    proposed_at: Mapped[datetime] = mapped_column(DateTime(timezone=True))
    through_window: Mapped[int]
    inputs: Mapped[bytes | None] = mapped_column(LargeBinary)
    computed: Mapped[dict[str, Any] | None] = mapped_column(JSONB(none_as_null=True))
    approved_by: Mapped[str | None]
    approved_at: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))
    place: Mapped[int | None]
    business_day: Mapped[date | None]
    pieces_posted: Mapped[int]
