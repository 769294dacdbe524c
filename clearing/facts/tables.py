"""Clearing's own copy of issuing's feed."""

from __future__ import annotations

from datetime import date, datetime

from sqlalchemy import BigInteger, DateTime, Index, LargeBinary
from sqlalchemy.orm import Mapped, mapped_column

from clearing.base import Base

FEED = "issuing"


class FeedPositionRow(Base):
    """The number of the last item applied, one row for each feed."""

    __tablename__ = "feed_position"

    feed: Mapped[str] = mapped_column(primary_key=True)
    number: Mapped[int] = mapped_column(BigInteger)


class CardFactRow(Base):
    """The newest ``CardFact`` of a card; ``number`` is its place in the feed."""

    __tablename__ = "card_fact"
    __table_args__ = (Index("card_fact_by_chip", "chip_serial"),)

    issuer: Mapped[bytes] = mapped_column(LargeBinary, primary_key=True)
    serial: Mapped[bytes] = mapped_column(LargeBinary, primary_key=True)
    number: Mapped[int] = mapped_column(BigInteger)
    chip_serial: Mapped[bytes] = mapped_column(LargeBinary)
    person: Mapped[str]
    product: Mapped[str]
    rider_class: Mapped[str]
    key_version: Mapped[int]
    valid_from: Mapped[date]
    valid_to: Mapped[date]
    purse_limit_minor: Mapped[int] = mapped_column(BigInteger)
    state: Mapped[str]
    effective: Mapped[datetime] = mapped_column(DateTime(timezone=True))


class InsuredFactRow(Base):
    """The newest ``InsuredFact`` of a person."""

    __tablename__ = "insured_fact"

    person: Mapped[str] = mapped_column(primary_key=True)
    number: Mapped[int] = mapped_column(BigInteger)
    fund: Mapped[str]
    insured_class: Mapped[str]
    effective: Mapped[datetime] = mapped_column(DateTime(timezone=True))


class SamFactRow(Base):
    """The newest ``SamFact`` of a PSAM."""

    __tablename__ = "sam_fact"

    sam_serial: Mapped[bytes] = mapped_column(LargeBinary, primary_key=True)
    number: Mapped[int] = mapped_column(BigInteger)
    terminal_number: Mapped[bytes] = mapped_column(LargeBinary)
    issuer: Mapped[bytes] = mapped_column(LargeBinary)
    key_version: Mapped[int]
    device: Mapped[str | None]
    operator: Mapped[str | None]
    state: Mapped[str]


class DenyChangeRow(Base):
    """One change of the deny list. ``number``, its place in the feed, is the version of the list from then on."""

    __tablename__ = "deny_change"

    number: Mapped[int] = mapped_column(BigInteger, primary_key=True, autoincrement=False)
    issuer: Mapped[bytes] = mapped_column(LargeBinary)
    serial: Mapped[bytes] = mapped_column(LargeBinary)
    denied: Mapped[bool]
    reported_at: Mapped[datetime] = mapped_column(DateTime(timezone=True))
