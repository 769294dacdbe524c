"""Closed windows as they are settled, payments, what the bank said, and which of its entries is what."""

from __future__ import annotations

from datetime import date, datetime
from typing import Any

from sqlalchemy import BigInteger, CheckConstraint, DateTime, ForeignKeyConstraint, Index, LargeBinary
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from clearing.base import Base


class BookRow(Base):
    """A window in one book, from the first call on. ``own_minor``: what the keeper of the book owes (above zero) or gets.
    ``carried_into``: the window whose settlement took over what this one, aborted, left unpaid."""

    __tablename__ = "settlement_book"
    __table_args__ = (
        CheckConstraint("aborted_by IS NULL OR aborted_by <> abort_proposed_by", name="two_persons"),
        CheckConstraint("(state IN ('settled', 'aborted')) = (ended_at IS NOT NULL)", name="ended_has_a_time"),
    )

    window: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    book: Mapped[str] = mapped_column(primary_key=True)
    state: Mapped[str]
    netting: Mapped[str]
    own_minor: Mapped[int] = mapped_column(BigInteger)
    settlement_date: Mapped[date]
    started_by: Mapped[str]
    started_at: Mapped[datetime] = mapped_column(DateTime(timezone=True))
    abort_proposed_by: Mapped[str | None]
    aborted_by: Mapped[str | None]
    ended_at: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))
    carried_into: Mapped[int | None]


class LegRow(Base):
    """What a participant pays in or gets; never changed. ``beyond_cap_minor``: how much of a call lies beyond the net debit
    cap; nobody is paid out of the book before that much of it has come."""

    __tablename__ = "settlement_leg"
    __table_args__ = (
        CheckConstraint("amount_minor > 0", name="amount_above_zero"),
        CheckConstraint("direction IN ('in', 'out')", name="direction_known"),
        CheckConstraint("beyond_cap_minor BETWEEN 0 AND amount_minor", name="cap_within_amount"),
        ForeignKeyConstraint(["window", "book"], [BookRow.window, BookRow.book]),
    )

    window: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    book: Mapped[str] = mapped_column(primary_key=True)
    participant: Mapped[str] = mapped_column(primary_key=True)
    direction: Mapped[str] = mapped_column(primary_key=True)
    amount_minor: Mapped[int] = mapped_column(BigInteger)
    beyond_cap_minor: Mapped[int] = mapped_column(BigInteger)


class PaymentFileRow(Base):
    """``content`` is the pain.001 as it was drafted; what is released is these bytes."""

    __tablename__ = "payment_file"
    __table_args__ = (
        CheckConstraint("released_by IS NULL OR released_by <> drafted_by", name="two_persons"),
        CheckConstraint("(state = 'released') = (released_by IS NOT NULL)", name="released_by_somebody"),
        ForeignKeyConstraint(["window", "book"], [BookRow.window, BookRow.book]),
        Index("payment_file_by_book", "window", "book"),
    )

    id: Mapped[str] = mapped_column(primary_key=True)
    window: Mapped[int]
    book: Mapped[str]
    state: Mapped[str]
    content: Mapped[bytes] = mapped_column(LargeBinary)
    total_minor: Mapped[int] = mapped_column(BigInteger)
    execute_on: Mapped[date]
    drafted_by: Mapped[str]
    drafted_at: Mapped[datetime] = mapped_column(DateTime(timezone=True))
    released_by: Mapped[str | None]
    released_at: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))


class PaymentRow(Base):
    """One payment of a file; never changed. ``id`` is the end-to-end identification."""

    __tablename__ = "payment"
    __table_args__ = (
        CheckConstraint("amount_minor > 0", name="amount_above_zero"),
        ForeignKeyConstraint(["file"], [PaymentFileRow.id]),
        Index("payment_by_file", "file"),
    )

    id: Mapped[str] = mapped_column(primary_key=True)
    file: Mapped[str]
    participant: Mapped[str]
    amount_minor: Mapped[int] = mapped_column(BigInteger)
    account: Mapped[str]


class FailureRow(Base):
    """A released payment that the bank will not execute; approved, its reservation is given back and it may be ordered anew."""

    __tablename__ = "payment_failure"
    __table_args__ = (
        CheckConstraint("approved_by IS NULL OR approved_by <> proposed_by", name="two_persons"),
        ForeignKeyConstraint(["payment"], [PaymentRow.id]),
    )

    payment: Mapped[str] = mapped_column(primary_key=True)
    reason: Mapped[str]
    proposed_by: Mapped[str]
    proposed_at: Mapped[datetime] = mapped_column(DateTime(timezone=True))
    approved_by: Mapped[str | None]
    approved_at: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))


class BankReportRow(Base):
    """A statement or advice as it came, page after page. ``state``: accepted, or wrong: then none of its entries was taken.
    ``number`` counts the reports of a book in the order in which they were judged; one that was wrong is judged anew when it
    comes again."""

    __tablename__ = "bank_report"
    __table_args__ = (
        CheckConstraint("state IN ('accepted', 'wrong')", name="state_known"),
        Index("bank_report_by_book", "book", "number"),
    )

    account: Mapped[str] = mapped_column(primary_key=True)
    kind: Mapped[str] = mapped_column(primary_key=True)
    id: Mapped[str] = mapped_column(primary_key=True)
    number: Mapped[int] = mapped_column(BigInteger)
    book: Mapped[str]
    digest: Mapped[bytes] = mapped_column(LargeBinary)
    content: Mapped[bytes] = mapped_column(LargeBinary)
    closed_on: Mapped[date | None]
    opening_minor: Mapped[int | None] = mapped_column(BigInteger)
    closing_minor: Mapped[int | None] = mapped_column(BigInteger)
    state: Mapped[str]
    faults: Mapped[list[str]] = mapped_column(JSONB)
    taken_by: Mapped[str]
    taken_at: Mapped[datetime] = mapped_column(DateTime(timezone=True))


class BankPageRow(Base):
    """A page of a report that the bank sends in several, in the message it came in; never changed. The report is there once
    all of its pages are."""

    __tablename__ = "bank_page"
    __table_args__ = (CheckConstraint("number > 0", name="counted_from_one"),)

    account: Mapped[str] = mapped_column(primary_key=True)
    kind: Mapped[str] = mapped_column(primary_key=True)
    id: Mapped[str] = mapped_column(primary_key=True)
    number: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    digest: Mapped[bytes] = mapped_column(LargeBinary)
    content: Mapped[bytes] = mapped_column(LargeBinary)
    taken_by: Mapped[str]
    taken_at: Mapped[datetime] = mapped_column(DateTime(timezone=True))


class BankEntryRow(Base):
    """``advice`` and ``statement``: who said it; an advised entry gets its statement later, and nothing else ever changes."""

    __tablename__ = "bank_entry"
    __table_args__ = (
        CheckConstraint("amount_minor <> 0", name="amount_not_zero"),
        CheckConstraint("advice IS NOT NULL OR statement IS NOT NULL", name="somebody_said_it"),
        Index("bank_entry_by_book", "book", "booked_on"),
    )

    account: Mapped[str] = mapped_column(primary_key=True)
    reference: Mapped[str] = mapped_column(primary_key=True)
    book: Mapped[str]
    amount_minor: Mapped[int] = mapped_column(BigInteger)
    booked_on: Mapped[date]
    batch: Mapped[str]
    details: Mapped[list[dict[str, Any]]] = mapped_column(JSONB)
    advice: Mapped[str | None]
    statement: Mapped[str | None]


class HandMatchRow(Base):
    """What one person says an unmatched entry is. ``targets``: (kind, id) each. ``state``: proposed, withdrawn, approved."""

    __tablename__ = "bank_hand_match"
    __table_args__ = (
        CheckConstraint("approved_by IS NULL OR approved_by <> proposed_by", name="two_persons"),
        CheckConstraint("(state = 'approved') = (approved_by IS NOT NULL)", name="approved_by_somebody"),
        ForeignKeyConstraint(["account", "reference"], [BankEntryRow.account, BankEntryRow.reference]),
    )

    account: Mapped[str] = mapped_column(primary_key=True)
    reference: Mapped[str] = mapped_column(primary_key=True)
    targets: Mapped[list[list[str]]] = mapped_column(JSONB)
    state: Mapped[str]
    proposed_by: Mapped[str]
    proposed_at: Mapped[datetime] = mapped_column(DateTime(timezone=True))
    approved_by: Mapped[str | None]


class AllocationRow(Base):
    """A part of an entry and what it is; never changed. ``transfer``: the ledger's transfer that says the same."""

    __tablename__ = "bank_allocation"
    __table_args__ = (
        CheckConstraint("amount_minor <> 0", name="amount_not_zero"),
        ForeignKeyConstraint(["account", "reference"], [BankEntryRow.account, BankEntryRow.reference]),
        Index("bank_allocation_by_target", "kind", "target"),
    )

    account: Mapped[str] = mapped_column(primary_key=True)
    reference: Mapped[str] = mapped_column(primary_key=True)
    number: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    kind: Mapped[str]
    target: Mapped[str]
    book: Mapped[str]
    amount_minor: Mapped[int] = mapped_column(BigInteger)
    rule: Mapped[str]
    transfer: Mapped[str]
    made_by: Mapped[str]
    made_at: Mapped[datetime] = mapped_column(DateTime(timezone=True))


class BankStandingRow(Base):
    """Whether a book may be settled. Its lock is taken before anything is done with the book's money at the bank."""

    __tablename__ = "bank_standing"
    __table_args__ = (
        CheckConstraint("(state = 'running') = (stopped_by_report IS NULL)", name="stopped_by_something"),
    )

    book: Mapped[str] = mapped_column(primary_key=True)
    state: Mapped[str]
    stopped_by_report: Mapped[str | None]
    stopped_at: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))
    lift_proposed_by: Mapped[str | None]
