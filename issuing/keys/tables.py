"""The key log; it only grows and holds no value."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import BigInteger, DateTime, Identity, LargeBinary
from sqlalchemy.orm import Mapped, mapped_column

from issuing.base import Base


class KeyLogRow(Base):
    """One WRITE KEY that a chip answered with 9000. ``directory`` is the FID of its DF, 3F00 for the MF; a key written again
    after a torn conversation has a line for each time."""

    __tablename__ = "key_log"

    number: Mapped[int] = mapped_column(BigInteger, Identity(always=True), primary_key=True)
    chip_serial: Mapped[bytes] = mapped_column(LargeBinary, index=True)
    directory: Mapped[int]
    key_type: Mapped[int]
    key_id: Mapped[int]
    label: Mapped[str]
    version: Mapped[int]
    written_at: Mapped[datetime] = mapped_column(DateTime(timezone=True))
