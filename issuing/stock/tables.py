"""Stock, and the log that accounts for it."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import BigInteger, DateTime, Identity, LargeBinary
from sqlalchemy.orm import Mapped, mapped_column

from issuing.base import Base


class BlankRow(Base):
    """``chip_serial``: the last 8 historical bytes of the ATR."""

    __tablename__ = "blank"

    chip_serial: Mapped[bytes] = mapped_column(LargeBinary, primary_key=True)
    kind: Mapped[str]
    state: Mapped[str] = mapped_column(index=True)
    delivery: Mapped[str]
    received_by: Mapped[str]


class StockMoveRow(Base):
    """The stock log; it only grows."""

    __tablename__ = "stock_move"

    number: Mapped[int] = mapped_column(BigInteger, Identity(always=True), primary_key=True)
    chip_serial: Mapped[bytes] = mapped_column(LargeBinary, index=True)
    event: Mapped[str]
    at: Mapped[datetime] = mapped_column(DateTime(timezone=True))
    by: Mapped[str]
    reason: Mapped[str]
