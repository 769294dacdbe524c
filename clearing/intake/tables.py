"""What terminals sent: batches as they came, their records as rows, and what is still missing."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import BigInteger, DateTime, Index, LargeBinary, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column

from clearing.base import Base


class BatchRow(Base):
    """``raw`` is the upload as it came, named by ``content_hash`` (SHA-256 of everything before the signature).
    ``window`` is the one that was open when it came."""

    __tablename__ = "batch"
    __table_args__ = (UniqueConstraint("content_hash"),)

    device: Mapped[str] = mapped_column(primary_key=True)
    number: Mapped[int] = mapped_column(BigInteger, primary_key=True)
    content_hash: Mapped[bytes] = mapped_column(LargeBinary)
    raw: Mapped[bytes] = mapped_column(LargeBinary)
    first_sequence: Mapped[int] = mapped_column(BigInteger)
    last_sequence: Mapped[int] = mapped_column(BigInteger)
    count: Mapped[int]
    amount_sum_minor: Mapped[int] = mapped_column(BigInteger)
    window: Mapped[int]
    received_at: Mapped[datetime] = mapped_column(DateTime(timezone=True))


class RecordRow(Base):
    """One journal record. ``raw`` is the record; the columns beside it are for finding it."""

    __tablename__ = "record"
    __table_args__ = (
        Index("record_by_window", "window"),
        Index("record_by_card", "issuer", "serial", "purse", "card_sequence"),
    )

    device: Mapped[str] = mapped_column(primary_key=True)
    journal_sequence: Mapped[int] = mapped_column(BigInteger, primary_key=True)
    raw: Mapped[bytes] = mapped_column(LargeBinary)
    kind: Mapped[str]
    event: Mapped[str]
    outcome: Mapped[str]
    issuer: Mapped[bytes] = mapped_column(LargeBinary)
    serial: Mapped[bytes] = mapped_column(LargeBinary)
    purse: Mapped[int]
    card_sequence: Mapped[int]
    amount_minor: Mapped[int] = mapped_column(BigInteger)
    window: Mapped[int]


class OpenGapRow(Base):
    """Numbers first to last of a device's ``series`` that have not come. Closed when any of them arrives; what then is
    still missing is opened anew."""

    __tablename__ = "open_gap"
    __table_args__ = (
        Index(
            "open_gap_once",
            "device",
            "series",
            "first",
            "last",
            unique=True,
            postgresql_where=text("closed_at IS NULL"),
        ),
    )

    number: Mapped[int] = mapped_column(BigInteger, primary_key=True)
    device: Mapped[str]
    series: Mapped[str]
    first: Mapped[int] = mapped_column(BigInteger)
    last: Mapped[int] = mapped_column(BigInteger)
    opened_at: Mapped[datetime] = mapped_column(DateTime(timezone=True))
    closed_at: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))


class ConflictRow(Base):
    """A refused upload that named a known batch or record with other content: reported, kept as evidence."""

    __tablename__ = "conflict"

    content_hash: Mapped[bytes] = mapped_column(LargeBinary, primary_key=True)
    device: Mapped[str]
    number: Mapped[int] = mapped_column(BigInteger)
    faults: Mapped[str]
    raw: Mapped[bytes] = mapped_column(LargeBinary)
    received_at: Mapped[datetime] = mapped_column(DateTime(timezone=True))
