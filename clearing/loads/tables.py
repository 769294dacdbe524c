"""Loads: attempts with their state, and every MAC2 that was given out."""

from __future__ import annotations

from sqlalchemy import BigInteger, CheckConstraint, ForeignKeyConstraint, Index, LargeBinary, text
from sqlalchemy.orm import Mapped, mapped_column

from clearing.base import Base


class LoadRow(Base):
    """One attempt under a load's id. ``executed_random`` and ``tac`` are the proof of a posted one. Only state and proof
    change."""

    __tablename__ = "load"
    __table_args__ = (
        CheckConstraint("amount_minor > 0", name="amount_above_zero"),
        CheckConstraint("state IN ('reserved', 'posted', 'voided')", name="state_known"),
        CheckConstraint(
            "(state = 'posted') = (tac IS NOT NULL AND executed_random IS NOT NULL)", name="posted_by_proof"
        ),
        # A card has one open load, and one executed load under each id.
        Index("load_open_once", "issuer", "serial", "purse", unique=True, postgresql_where=text("state = 'reserved'")),
        Index(
            "load_posted_once",
            "issuer",
            "serial",
            "purse",
            "online_sequence",
            unique=True,
            postgresql_where=text("state = 'posted'"),
        ),
    )

    issuer: Mapped[bytes] = mapped_column(LargeBinary, primary_key=True)
    serial: Mapped[bytes] = mapped_column(LargeBinary, primary_key=True)
    purse: Mapped[int] = mapped_column(primary_key=True)
    online_sequence: Mapped[int] = mapped_column(primary_key=True)
    attempt: Mapped[int] = mapped_column(primary_key=True)
    agent: Mapped[str]
    amount_minor: Mapped[int] = mapped_column(BigInteger)
    state: Mapped[str]
    executed_random: Mapped[bytes | None] = mapped_column(LargeBinary)
    tac: Mapped[bytes | None] = mapped_column(LargeBinary)


_ID = ("issuer", "serial", "purse", "online_sequence", "attempt")


class AuthorisationRow(Base):
    """One MAC2; SELECT and INSERT only. ``position`` orders those of an attempt."""

    __tablename__ = "load_authorisation"
    __table_args__ = (
        ForeignKeyConstraint(_ID, [getattr(LoadRow, name) for name in _ID]),
        Index("load_authorisation_by_random", *_ID[:4], "random", unique=True),
    )

    issuer: Mapped[bytes] = mapped_column(LargeBinary, primary_key=True)
    serial: Mapped[bytes] = mapped_column(LargeBinary, primary_key=True)
    purse: Mapped[int] = mapped_column(primary_key=True)
    online_sequence: Mapped[int] = mapped_column(primary_key=True)
    attempt: Mapped[int] = mapped_column(primary_key=True)
    position: Mapped[int] = mapped_column(primary_key=True)
    random: Mapped[bytes] = mapped_column(LargeBinary)
    device: Mapped[str]
    terminal: Mapped[bytes] = mapped_column(LargeBinary)
    date: Mapped[bytes] = mapped_column(LargeBinary)
    time: Mapped[bytes] = mapped_column(LargeBinary)
    key_version: Mapped[int]
    algorithm: Mapped[int]
    balance_minor: Mapped[int] = mapped_column(BigInteger)
    mac1: Mapped[bytes] = mapped_column(LargeBinary)
    mac2: Mapped[bytes] = mapped_column(LargeBinary)
