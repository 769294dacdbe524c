"""The register at rest: persons by keyed token, everything about them sealed."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import DateTime, LargeBinary
from sqlalchemy.orm import Mapped, mapped_column

from issuing.base import Base


class RegisterFileRow(Base):
    """A file that was taken; ``content_hash`` is the SHA-256 of its bytes, hexadecimal."""

    __tablename__ = "register_file"

    content_hash: Mapped[str] = mapped_column(primary_key=True)
    rows: Mapped[int]
    taken_at: Mapped[datetime] = mapped_column(DateTime(timezone=True))
    taken_by: Mapped[str]


class PersonRow(Base):
    """One version of a person; the highest is in force. ``sealed`` is ``Entry.to_json`` under purpose ``SEAL_PURPOSE``."""

    __tablename__ = "person"

    person: Mapped[str] = mapped_column(primary_key=True)
    version: Mapped[int] = mapped_column(primary_key=True)
    sealed: Mapped[bytes] = mapped_column(LargeBinary)
    content_token: Mapped[str]
    file: Mapped[str]
    recorded_at: Mapped[datetime] = mapped_column(DateTime(timezone=True))
