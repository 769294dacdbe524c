"""Windows, their frozen manifests and results."""

from __future__ import annotations

from datetime import date, datetime

from sqlalchemy import BigInteger, CheckConstraint, DateTime, Index, LargeBinary, text
from sqlalchemy.orm import Mapped, mapped_column

from clearing.base import Base


class WindowRow(Base):
    """``manifest`` and ``result`` are canonical JSON. The first person freezes the manifest, the result is computed from it;
    a proposal that is withdrawn leaves none, the audit trail has its name."""

    __tablename__ = "settlement_window"
    __table_args__ = (
        CheckConstraint("approved_by IS NULL OR approved_by <> proposed_by", name="two_persons"),
        CheckConstraint(
            "(state IN ('frozen', 'proposed', 'closed')) = (proposed_by IS NOT NULL AND manifest IS NOT NULL)",
            name="frozen_when_proposed",
        ),
        CheckConstraint("(state IN ('proposed', 'closed')) = (result IS NOT NULL)", name="result_when_proposed"),
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


class ExceptionRow(Base):
    """A record that a window rejected or left open. An open one may end otherwise in a later window."""

    __tablename__ = "record_exception"
    __table_args__ = (Index("record_exception_by_transaction", "transaction"),)

    window: Mapped[int] = mapped_column(primary_key=True)
    device: Mapped[str] = mapped_column(primary_key=True)
    journal_sequence: Mapped[int] = mapped_column(BigInteger, primary_key=True)
    transaction: Mapped[str]
    status: Mapped[str]
    reason: Mapped[str]


class ClearedFileRow(Base):
    """A file of cleared records below ``clearing.files.Files.results``, of a closed window. Two windows that end some open
    records alike have the same file."""

    __tablename__ = "cleared_file"

    window: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    name: Mapped[str] = mapped_column(primary_key=True)
    sha256: Mapped[str]
    rows: Mapped[int]


class CounterFileRow(Base):
    """The counters of a bucket's cards after ``window``; of each bucket the newest is in force. Window 0: what a running city
    came with."""

    __tablename__ = "counter_file"

    window: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    bucket: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    name: Mapped[str]
    sha256: Mapped[str]
    rows: Mapped[int]
