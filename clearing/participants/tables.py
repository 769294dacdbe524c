"""The participants' document as the service works by it, one row for each version that was in force."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import CheckConstraint, DateTime
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from clearing.base import Base


class CityRow(Base):
    __tablename__ = "city"

    version: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    document: Mapped[dict[str, Any]] = mapped_column(JSONB)
    published_at: Mapped[datetime] = mapped_column(DateTime(timezone=True))


class TariffRow(Base):
    """A published tariff document; a version never changes."""

    __tablename__ = "tariff"

    version: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    document: Mapped[dict[str, Any]] = mapped_column(JSONB)
    published_at: Mapped[datetime] = mapped_column(DateTime(timezone=True))


class DocumentRow(Base):
    """A version of what participants have agreed on. Its content never changes, by grant; one that was put in force when the
    service was set up has nobody's name."""

    __tablename__ = "agreed_document"
    __table_args__ = (
        CheckConstraint("state IN ('proposed', 'withdrawn', 'approved')", name="state_known"),
        CheckConstraint("approved_by IS NULL OR approved_by <> proposed_by", name="two_persons"),
        CheckConstraint("(state = 'approved') = (approved_at IS NOT NULL)", name="approved_has_a_time"),
    )

    kind: Mapped[str] = mapped_column(primary_key=True)
    version: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    document: Mapped[dict[str, Any]] = mapped_column(JSONB)
    state: Mapped[str]
    proposed_by: Mapped[str | None]
    proposed_at: Mapped[datetime] = mapped_column(DateTime(timezone=True))
    approved_by: Mapped[str | None]
    approved_at: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))
