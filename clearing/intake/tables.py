"""What terminals sent: where it lies, which loads it names, and what is still missing. No record is a row."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import BigInteger, DateTime, Index, LargeBinary, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column

from clearing.base import Base


class BatchRow(Base):
    """A batch as it came lies in the raw store under ``stored_as``, its SHA-256; ``content_hash`` is that of everything before
    the signature. ``window`` is the one that was open when it came."""

    __tablename__ = "batch"
    __table_args__ = (
        UniqueConstraint("content_hash"),
        Index("batch_by_window", "window"),
        Index("batch_by_journal", "device", "first_sequence"),
    )

    device: Mapped[str] = mapped_column(primary_key=True)
    number: Mapped[int] = mapped_column(BigInteger, primary_key=True)
    content_hash: Mapped[bytes] = mapped_column(LargeBinary)
    stored_as: Mapped[bytes] = mapped_column(LargeBinary)
    first_sequence: Mapped[int] = mapped_column(BigInteger)
    last_sequence: Mapped[int] = mapped_column(BigInteger)
    count: Mapped[int]
    amount_sum_minor: Mapped[int] = mapped_column(BigInteger)
    window: Mapped[int]
    received_at: Mapped[datetime] = mapped_column(DateTime(timezone=True))


class LoadRecordRow(Base):
    """A record of a load, by the load's id: what authorised it is wanted at the close. ``tac`` where the record proves that the
    card was loaded."""

    __tablename__ = "load_record"
    __table_args__ = (Index("load_record_by_window", "window"),)

    device: Mapped[str] = mapped_column(primary_key=True)
    journal_sequence: Mapped[int] = mapped_column(BigInteger, primary_key=True)
    issuer: Mapped[bytes] = mapped_column(LargeBinary)
    serial: Mapped[bytes] = mapped_column(LargeBinary)
    purse: Mapped[int]
    online_sequence: Mapped[int]
    tac: Mapped[bytes | None] = mapped_column(LargeBinary)
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
    """A refused upload that named a known batch or record with other content: reported, kept in the raw store as evidence."""

    __tablename__ = "conflict"

    content_hash: Mapped[bytes] = mapped_column(LargeBinary, primary_key=True)
    device: Mapped[str]
    number: Mapped[int] = mapped_column(BigInteger)
    faults: Mapped[str]
    stored_as: Mapped[bytes] = mapped_column(LargeBinary)
    received_at: Mapped[datetime] = mapped_column(DateTime(timezone=True))
