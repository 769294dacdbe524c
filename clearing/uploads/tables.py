"""Uploads that have begun, and how they ended."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import BigInteger, CheckConstraint, DateTime, Index, LargeBinary
from sqlalchemy.orm import Mapped, mapped_column

from clearing.base import Base


class UploadRow(Base):
    """``owner`` is ``device:<id>`` or ``operator:<id>``; ``by`` the device or the member of staff. ``layout`` is that of a
    file, empty for a batch. What has come lies in a file named by ``id``. ``status`` and ``answer`` (JSON) are what its
    content was answered with; an upload that was given up is deleted."""

    __tablename__ = "upload"
    __table_args__ = (
        CheckConstraint("octet_length(digest) = 32", name="digest_length"),
        CheckConstraint("(ended_at IS NULL) = (status IS NULL)", name="ended_has_a_status"),
        CheckConstraint("(ended_at IS NULL) = (answer IS NULL)", name="ended_has_an_answer"),
        Index("upload_by_owner", "owner", "ended_at"),
    )

    id: Mapped[str] = mapped_column(primary_key=True)
    owner: Mapped[str]
    by: Mapped[str]
    target: Mapped[str]
    layout: Mapped[str]
    length: Mapped[int] = mapped_column(BigInteger)
    digest: Mapped[bytes] = mapped_column(LargeBinary)
    created_at: Mapped[datetime] = mapped_column(DateTime(timezone=True))
    expires_at: Mapped[datetime] = mapped_column(DateTime(timezone=True))
    ended_at: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))
    status: Mapped[int | None]
    answer: Mapped[str | None]
