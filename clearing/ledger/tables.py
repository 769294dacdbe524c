"""Accounts with their counters, transfers that only ever grow, and the chain of closed windows."""

from __future__ import annotations

from datetime import date, datetime

from sqlalchemy import BigInteger, CheckConstraint, DateTime, ForeignKey, Index, LargeBinary, text
from sqlalchemy.orm import Mapped, mapped_column

from clearing.base import Base


class AccountRow(Base):
    """The counters, and an agent's limit, are the only columns the service may update."""

    __tablename__ = "ledger_account"
    __table_args__ = (
        CheckConstraint(
            "debits_posted >= 0 AND credits_posted >= 0 AND debits_pending >= 0 AND credits_pending >= 0",
            name="counters_not_negative",
        ),
        CheckConstraint(
            "limit_rule <> 'debits_must_not_exceed_credits'"
            " OR debits_posted + debits_pending <= credits_posted + limit_minor",
            name="debits_must_not_exceed_credits",
        ),
        CheckConstraint(
            "limit_rule <> 'credits_must_not_exceed_debits'"
            " OR credits_posted + credits_pending <= debits_posted + limit_minor",
            name="credits_must_not_exceed_debits",
        ),
        CheckConstraint("limit_minor >= 0", name="limit_not_negative"),
    )

    book: Mapped[str] = mapped_column(primary_key=True)
    code: Mapped[str] = mapped_column(primary_key=True)
    kind: Mapped[str]
    currency: Mapped[str]
    limit_rule: Mapped[str]
    limit_minor: Mapped[int] = mapped_column(BigInteger)
    debits_posted: Mapped[int] = mapped_column(BigInteger, server_default=text("0"))
    credits_posted: Mapped[int] = mapped_column(BigInteger, server_default=text("0"))
    debits_pending: Mapped[int] = mapped_column(BigInteger, server_default=text("0"))
    credits_pending: Mapped[int] = mapped_column(BigInteger, server_default=text("0"))


class TransferRow(Base):
    """SELECT and INSERT only, by grant. ``pending_id`` is NULL where the transfer settles none.

    No foreign key to the accounts: its check, row by row, takes twice as long as all the rest of storing a set. That they are
    there is decided under their locks, nobody has the right to delete one, and ``service.verify`` names one that is missing.
    """

    __tablename__ = "ledger_transfer"
    __table_args__ = (
        CheckConstraint("id <> ''", name="id_given"),
        CheckConstraint("amount_minor > 0", name="amount_above_zero"),
        CheckConstraint("debit <> credit", name="accounts_different"),
        CheckConstraint("phase IN ('single', 'pending', 'post', 'void', 'expire')", name="phase_known"),
        CheckConstraint(
            "(phase IN ('post', 'void', 'expire')) = (pending_id IS NOT NULL)", name="settles_what_it_names"
        ),
        CheckConstraint("expires_on IS NULL OR phase = 'pending'", name="only_pending_expires"),
        Index(
            "ledger_transfer_settled_once", "pending_id", unique=True, postgresql_where=text("pending_id IS NOT NULL")
        ),
        Index("ledger_transfer_expiring", "expires_on", postgresql_where=text("expires_on IS NOT NULL")),
        Index("ledger_transfer_by_book", "book", "business_day"),
        # Rows lie in the order in which they were recorded: a few pages say where a time begins.
        Index("ledger_transfer_recorded", "recorded_at", postgresql_using="brin"),
    )

    id: Mapped[str] = mapped_column(primary_key=True)
    book: Mapped[str]
    debit: Mapped[str]
    credit: Mapped[str]
    amount_minor: Mapped[int] = mapped_column(BigInteger)
    currency: Mapped[str]
    purpose: Mapped[str]
    business_day: Mapped[date]
    phase: Mapped[str]
    pending_id: Mapped[str | None] = mapped_column(ForeignKey("clearing.ledger_transfer.id"))
    reference: Mapped[str]
    expires_on: Mapped[date | None]
    recorded_at: Mapped[datetime] = mapped_column(DateTime(timezone=True))


class LinkRow(Base):
    """One transfer's place in the chain of its book; SELECT and INSERT only."""

    __tablename__ = "ledger_link"

    book: Mapped[str] = mapped_column(primary_key=True)
    number: Mapped[int] = mapped_column(BigInteger, primary_key=True)
    window: Mapped[int]
    transfer_id: Mapped[str] = mapped_column(ForeignKey(TransferRow.id), unique=True)
    hash: Mapped[bytes] = mapped_column(LargeBinary)
