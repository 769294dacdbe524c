"""Production: which chip is becoming what, so that a torn conversation is taken up with the same numbers."""

from __future__ import annotations

from datetime import date, datetime

from sqlalchemy import DateTime, Integer, LargeBinary
from sqlalchemy.orm import Mapped, mapped_column

from issuing.base import Base


class ProductionRow(Base):
    """One chip's way; committed before its first byte is written. ``application``, ``social_card_number`` and
    ``rider_class`` stand for cards, ``terminal_number`` for SAMs. ``attempts`` counts conversations, ``last_break`` says why
    the last one ended early. Serials are never given again, also not those of scrapped chips."""

    __tablename__ = "production"

    chip_serial: Mapped[bytes] = mapped_column(LargeBinary, primary_key=True)
    kind: Mapped[str]
    serial: Mapped[bytes] = mapped_column(LargeBinary, unique=True)
    application: Mapped[str | None] = mapped_column(index=True)
    social_card_number: Mapped[str | None]
    rider_class: Mapped[str | None]
    terminal_number: Mapped[bytes | None] = mapped_column(LargeBinary)
    valid_from: Mapped[date]
    valid_to: Mapped[date]
    attempts: Mapped[int] = mapped_column(Integer)
    started_by: Mapped[str]
    started_at: Mapped[datetime] = mapped_column(DateTime(timezone=True))
    finished_at: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))
    last_break: Mapped[str]
