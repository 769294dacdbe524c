"""The SAM register."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import DateTime, LargeBinary, Sequence
from sqlalchemy.orm import Mapped, mapped_column

from issuing.base import Base

sam_number_sequence = Sequence("sam_number", schema=Base.metadata.schema, metadata=Base.metadata, minvalue=1)


class SamRow(Base):
    """``sam_serial`` 10 bytes (file 15 of the MF), ``terminal_number`` 6 (file 16). A device has one SAM."""

    __tablename__ = "sam"

    sam_serial: Mapped[bytes] = mapped_column(LargeBinary, primary_key=True)
    chip_serial: Mapped[bytes] = mapped_column(LargeBinary, unique=True)
    terminal_number: Mapped[bytes] = mapped_column(LargeBinary, unique=True)
    kind: Mapped[str]
    issuer: Mapped[bytes] = mapped_column(LargeBinary)
    key_version: Mapped[int]
    device: Mapped[str | None] = mapped_column(unique=True)
    operator: Mapped[str | None]
    state: Mapped[str]
    changed_at: Mapped[datetime] = mapped_column(DateTime(timezone=True))
