"""Gaps that are followed, and those that were."""

from __future__ import annotations

from datetime import date

from sqlalchemy import BigInteger, CheckConstraint, Identity, Index, UniqueConstraint
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from clearing.base import Base


class GapRow(Base):
    """``clearing.gaps.rules.FollowedGap`` with where it stands; ``missing`` is a list of [first, last]."""

    __tablename__ = "gap"
    __table_args__ = (
        UniqueConstraint("kind", "subject", "first", "last", "window"),
        CheckConstraint("first <= last", name="first_before_last"),
        CheckConstraint("(state = 'open') = (ended_on IS NULL)", name="ended_has_a_day"),
        CheckConstraint("(state = 'came') = (missing = '[]')", name="came_misses_nothing"),
        Index("gap_by_state", "state", "deadline"),
    )

    number: Mapped[int] = mapped_column(BigInteger, Identity(always=True), primary_key=True)
    kind: Mapped[str]
    subject: Mapped[str]
    first: Mapped[int] = mapped_column(BigInteger)
    last: Mapped[int] = mapped_column(BigInteger)
    window: Mapped[int]
    owner: Mapped[str]
    opened_on: Mapped[date]
    deadline: Mapped[date]
    missing: Mapped[list[list[int]]] = mapped_column(JSONB)
    state: Mapped[str]
    ended_on: Mapped[date | None]
