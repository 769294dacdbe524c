"""The card register."""

from __future__ import annotations

from datetime import date, datetime

from sqlalchemy import BigInteger, DateTime, LargeBinary, Sequence
from sqlalchemy.orm import Mapped, mapped_column

from issuing.base import Base

card_number_sequence = Sequence("card_number", schema=Base.metadata.schema, metadata=Base.metadata, minvalue=1)


class CardRow(Base):
    """``serial`` is 0x15[10..19]. The holder's data stay in the register, under ``person``."""

    __tablename__ = "card"

    serial: Mapped[bytes] = mapped_column(LargeBinary, primary_key=True)
    chip_serial: Mapped[bytes] = mapped_column(LargeBinary, unique=True)
    issuer: Mapped[bytes] = mapped_column(LargeBinary)
    application: Mapped[str] = mapped_column(unique=True)
    person: Mapped[str] = mapped_column(index=True)
    product: Mapped[str]
    rider_class: Mapped[str]
    key_version: Mapped[int]
    valid_from: Mapped[date]
    valid_to: Mapped[date]
    purse_limit_minor: Mapped[int] = mapped_column(BigInteger)
    social_card_number: Mapped[str]
    state: Mapped[str] = mapped_column(index=True)
    changed_at: Mapped[datetime] = mapped_column(DateTime(timezone=True))
