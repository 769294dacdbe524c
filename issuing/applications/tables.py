"""Applications, by the id their originator gave them."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import BigInteger, CheckConstraint, DateTime, Identity, Index, text
from sqlalchemy.orm import Mapped, mapped_column

from issuing.applications.rules import OPEN
from issuing.base import Base

_IS_OPEN = "state IN ({})".format(", ".join(f"'{state}'" for state in OPEN))


class ApplicationRow(Base):
    """``arrival`` keeps production in the order of application."""

    __tablename__ = "application"
    __table_args__ = (
        CheckConstraint("decided_by <> applied_by", name="second_person"),
        Index("one_open_application", "person", unique=True, postgresql_where=text(_IS_OPEN)),
    )

    application: Mapped[str] = mapped_column(primary_key=True)
    arrival: Mapped[int] = mapped_column(BigInteger, Identity(always=True), unique=True)
    person: Mapped[str] = mapped_column(index=True)
    product: Mapped[str]
    state: Mapped[str] = mapped_column(index=True)
    applied_by: Mapped[str]
    applied_at: Mapped[datetime] = mapped_column(DateTime(timezone=True))
    decided_by: Mapped[str | None]
    decided_at: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))
