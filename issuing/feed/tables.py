"""The outbox: facts numbered in the transaction that made them true."""

from __future__ import annotations

from typing import Any

from sqlalchemy import BigInteger
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from issuing.base import Base


class OutboxRow(Base):
    """``number`` rises by one without a gap."""

    __tablename__ = "outbox"

    number: Mapped[int] = mapped_column(BigInteger, primary_key=True, autoincrement=False)
    fact: Mapped[dict[str, Any]] = mapped_column(JSONB)


class OutboxHeadRow(Base):
    """One row: the last number given. Its lock keeps writers in line, so no reader sees a later number first."""

    __tablename__ = "outbox_head"

    only: Mapped[bool] = mapped_column(primary_key=True)
    last: Mapped[int] = mapped_column(BigInteger)
