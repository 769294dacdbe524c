"""Messages as they came and went, packages, and each of their transactions."""

from __future__ import annotations

from datetime import date, datetime

from sqlalchemy import BigInteger, CheckConstraint, DateTime, ForeignKeyConstraint, Index, LargeBinary, text
from sqlalchemy.orm import Mapped, mapped_column

from clearing.base import Base


class MessageRow(Base):
    """A message, signed, as it is on the wire; never changed. ``direction``: ``out`` or ``in``. ``partner``: the other city as
    participant. ``digest``: SHA-256 of the content."""

    __tablename__ = "exchange_message"
    __table_args__ = (CheckConstraint("direction IN ('in', 'out')", name="direction_known"),)

    direction: Mapped[str] = mapped_column(primary_key=True)
    partner: Mapped[str] = mapped_column(primary_key=True)
    kind: Mapped[str] = mapped_column(primary_key=True)
    number: Mapped[int] = mapped_column(BigInteger, primary_key=True, autoincrement=False)
    digest: Mapped[bytes] = mapped_column(LargeBinary)
    content: Mapped[bytes] = mapped_column(LargeBinary)
    signature: Mapped[bytes] = mapped_column(LargeBinary)
    at: Mapped[datetime] = mapped_column(DateTime(timezone=True))


class PackageRow(Base):
    """Where a package stands. ``window``: whose claims these are; none for what came in. ``due``: the working day by which the
    answer is to come: counted from the first sending on, before that from the packing, for who never fetches is late, too."""

    __tablename__ = "exchange_package"
    __table_args__ = (
        CheckConstraint("(direction = 'out') = (\"window\" IS NOT NULL)", name="ours_are_of_a_window"),
        CheckConstraint("(state IN ('disputed', 'settled')) = (answered_at IS NOT NULL)", name="answered_has_a_time"),
        Index("exchange_package_by_state", "state", "due"),
    )

    direction: Mapped[str] = mapped_column(primary_key=True)
    partner: Mapped[str] = mapped_column(primary_key=True)
    number: Mapped[int] = mapped_column(BigInteger, primary_key=True, autoincrement=False)
    window: Mapped[int | None]
    issuer: Mapped[bytes] = mapped_column(LargeBinary)
    cleared_on: Mapped[date]
    count: Mapped[int]
    amount_minor: Mapped[int] = mapped_column(BigInteger)
    confirmed_minor: Mapped[int | None] = mapped_column(BigInteger)
    disputed: Mapped[int | None]
    state: Mapped[str]
    at: Mapped[datetime] = mapped_column(DateTime(timezone=True))
    sent_at: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))
    due: Mapped[date | None]
    reminders: Mapped[int]
    answered_at: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))


class ItemRow(Base):
    """``clearing.exchange.booking.Item``. ``proven``: of what is claimed of us, that this is the card transaction: it can be
    there once only, for ever. ``ruled_in``: the dispute result that told of its end."""

    __tablename__ = "exchange_item"
    __table_args__ = (
        CheckConstraint("amount_minor >= 0", name="amount_not_below_zero"),
        ForeignKeyConstraint(
            ["direction", "partner", "package"], [PackageRow.direction, PackageRow.partner, PackageRow.number]
        ),
        Index("exchange_item_by_transaction", "serial", "sequence", "issuer", "purse"),
        Index(
            "exchange_item_paid_once",
            "issuer",
            "serial",
            "purse",
            "sequence",
            unique=True,
            postgresql_where=text("proven"),
        ),
        Index("exchange_item_in_dispute", "direction", "partner", postgresql_where=text("state = 'disputed'")),
    )

    direction: Mapped[str] = mapped_column(primary_key=True)
    partner: Mapped[str] = mapped_column(primary_key=True)
    package: Mapped[int] = mapped_column(BigInteger, primary_key=True, autoincrement=False)
    number: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    issuer: Mapped[bytes] = mapped_column(LargeBinary)
    serial: Mapped[bytes] = mapped_column(LargeBinary)
    purse: Mapped[int]
    sequence: Mapped[int]
    content: Mapped[bytes] = mapped_column(LargeBinary)
    amount_minor: Mapped[int] = mapped_column(BigInteger)
    business_day: Mapped[date]
    operator: Mapped[str]
    state: Mapped[str]
    dispute: Mapped[int | None]
    proven: Mapped[bool]
    ruled_in: Mapped[int | None] = mapped_column(BigInteger)


class PackedWindowRow(Base):
    """A window whose claims were put into packages. ``without_partner``: claims on issuers with whom there is no agreement;
    their operators are not paid."""

    __tablename__ = "exchange_window"

    window: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    claims: Mapped[int]
    without_partner: Mapped[int]
    without_partner_minor: Mapped[int] = mapped_column(BigInteger)
    packed_at: Mapped[datetime] = mapped_column(DateTime(timezone=True))
