"""Openings with who proposed and who decided them; the files themselves lie among the raw uploads."""

from __future__ import annotations

from datetime import date, datetime
from typing import Any

from sqlalchemy import BigInteger, CheckConstraint, DateTime, Index, LargeBinary, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from clearing.base import Base


class OpeningRow(Base):
    """``card_file`` and ``account_file``: SHA-256 of what was uploaded. ``products``: name, cards, balance_minor,
    deposit_minor; ``sheet``: book, code, minor. ``decided_by`` approved, refused or withdrew it. ``business_day``: of its
    transfers, once posted. No two wait at once: the second would find the books begun."""

    __tablename__ = "opening"
    __table_args__ = (
        CheckConstraint("state NOT IN ('posted', 'refused') OR decided_by <> proposed_by", name="two_persons"),
        CheckConstraint(
            "(state = 'proposed') = (decided_by IS NULL) AND (state = 'proposed') = (decided_at IS NULL)",
            name="decided_by_somebody",
        ),
        CheckConstraint("(state = 'posted') = (business_day IS NOT NULL)", name="posted_on_a_day"),
        Index("opening_one_proposed", "state", unique=True, postgresql_where=text("state = 'proposed'")),
    )

    number: Mapped[str] = mapped_column(primary_key=True)
    card_file: Mapped[bytes] = mapped_column(LargeBinary)
    account_file: Mapped[bytes] = mapped_column(LargeBinary)
    cards: Mapped[int]
    balance_minor: Mapped[int] = mapped_column(BigInteger)
    deposit_minor: Mapped[int] = mapped_column(BigInteger)
    products: Mapped[list[dict[str, Any]]] = mapped_column(JSONB)
    sheet: Mapped[list[dict[str, Any]]] = mapped_column(JSONB)
    state: Mapped[str]
    proposed_by: Mapped[str]
    proposed_at: Mapped[datetime] = mapped_column(DateTime(timezone=True))
    decided_by: Mapped[str | None]
    decided_at: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))
    note: Mapped[str]
    business_day: Mapped[date | None]
