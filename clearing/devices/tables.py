"""The device register of clearing."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import CheckConstraint, DateTime, LargeBinary
from sqlalchemy.orm import Mapped, mapped_column

from clearing.base import Base


class DeviceRow(Base):
    __tablename__ = "device"
    __table_args__ = (
        CheckConstraint(
            "state = 'invited' OR (public_key IS NOT NULL AND sam_serial IS NOT NULL AND terminal_number IS NOT NULL)",
            name="enrolled_has_key_and_sam",
        ),
        CheckConstraint("octet_length(public_key) = 32", name="public_key_length"),
        CheckConstraint("(state = 'lost') = (lost_at IS NOT NULL)", name="lost_since"),
    )

    device: Mapped[str] = mapped_column(primary_key=True)
    kind: Mapped[str]
    operator: Mapped[str]
    line: Mapped[str]
    place: Mapped[str]
    state: Mapped[str]
    code_hash: Mapped[bytes] = mapped_column(LargeBinary)
    public_key: Mapped[bytes | None] = mapped_column(LargeBinary)
    sam_serial: Mapped[bytes | None] = mapped_column(LargeBinary)
    terminal_number: Mapped[bytes | None] = mapped_column(LargeBinary)
    invited_at: Mapped[datetime] = mapped_column(DateTime(timezone=True))
    enrolled_at: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))
    lost_at: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))
