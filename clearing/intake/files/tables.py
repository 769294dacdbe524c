"""Files that operators handed in."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import BigInteger, CheckConstraint, DateTime, Index, LargeBinary
from sqlalchemy.orm import Mapped, mapped_column

from clearing.base import Base


class OperatorsFileRow(Base):
    """The file as it came lies in the raw store under ``stored_as``, its SHA-256. Its records are batches of their devices."""

    __tablename__ = "operators_file"
    __table_args__ = (
        CheckConstraint("octet_length(stored_as) = 32", name="stored_as_length"),
        Index("operators_file_by_window", "window"),
    )

    stored_as: Mapped[bytes] = mapped_column(LargeBinary, primary_key=True)
    operator: Mapped[str]
    by: Mapped[str]
    layout: Mapped[str]
    records: Mapped[int]
    devices: Mapped[int]
    amount_sum_minor: Mapped[int] = mapped_column(BigInteger)
    window: Mapped[int]
    received_at: Mapped[datetime] = mapped_column(DateTime(timezone=True))
