"""Visits, fee lines and settlements. What money followed from only grows; the year's totals are counters."""

from __future__ import annotations

from datetime import date, datetime

from sqlalchemy import BigInteger, CheckConstraint, DateTime, ForeignKeyConstraint, Index, LargeBinary
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from clearing.base import Base


class InstitutionRow(Base):
    """A hospital the fund pays. ``level`` is what policies know: L1, L2, L3 or community."""

    __tablename__ = "medical_institution"

    institution: Mapped[str] = mapped_column(primary_key=True)
    name: Mapped[str]
    level: Mapped[str]


class ChallengeRow(Base):
    """A presence challenge, 16 bytes. ``used_by`` is the content hash of the one request that may use it;
    ``person`` and ``proved_at`` stand once the card's answer was right, ``visit`` once that opened one."""

    __tablename__ = "medical_challenge"
    __table_args__ = (Index("medical_challenge_by_person", "device", "person"),)

    challenge: Mapped[bytes] = mapped_column(LargeBinary, primary_key=True)
    device: Mapped[str]
    expires_at: Mapped[datetime] = mapped_column(DateTime(timezone=True))
    used_by: Mapped[bytes | None] = mapped_column(LargeBinary)
    person: Mapped[str | None]
    proved_at: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))
    visit: Mapped[str | None]


class MessageRow(Base):
    """A request that had an effect, by the id its desk gave it, with its answer. A reversed one stands here too, so that
    it can never have an effect again; then ``answer`` is NULL."""

    __tablename__ = "medical_message"

    device: Mapped[str] = mapped_column(primary_key=True)
    msgid: Mapped[str] = mapped_column(primary_key=True)
    infno: Mapped[str]
    content_hash: Mapped[bytes] = mapped_column(LargeBinary)
    answer: Mapped[str | None]
    reversed: Mapped[bool]
    received_at: Mapped[datetime] = mapped_column(DateTime(timezone=True))


class VisitRow(Base):
    """``mdtrt_id`` is the hospital's own number. Fund and class are as they were at registering."""

    __tablename__ = "medical_visit"

    institution: Mapped[str] = mapped_column(primary_key=True)
    mdtrt_id: Mapped[str] = mapped_column(primary_key=True)
    device: Mapped[str]
    person: Mapped[str]
    fund: Mapped[str]
    insured_class: Mapped[str]
    begun_at: Mapped[datetime] = mapped_column(DateTime(timezone=True))


class FeeLineRow(Base):
    """One fee line of a charge batch; ``first_self_pay`` the item's own rate as an exact fraction (``1/10``), or NULL."""

    __tablename__ = "medical_fee_line"
    __table_args__ = (
        CheckConstraint("amount_minor >= 0", name="amount_not_negative"),
        ForeignKeyConstraint(["institution", "mdtrt_id"], [VisitRow.institution, VisitRow.mdtrt_id]),
    )

    institution: Mapped[str] = mapped_column(primary_key=True)
    mdtrt_id: Mapped[str] = mapped_column(primary_key=True)
    chrg_bchno: Mapped[str] = mapped_column(primary_key=True)
    feedetl_sn: Mapped[str] = mapped_column(primary_key=True)
    item_code: Mapped[str]
    item_class: Mapped[str]
    first_self_pay: Mapped[str | None]
    amount_minor: Mapped[int] = mapped_column(BigInteger)


class SettlementRow(Base):
    """Amounts in fen. ``ordinal`` counts the person's settlements of the year with the fund; ``explanation`` is the
    trace, one sentence each in Chinese and English."""

    __tablename__ = "medical_settlement"
    __table_args__ = (
        CheckConstraint("total = own_pay + first_self_pay + in_scope", name="total_is_its_parts"),
        CheckConstraint("total = fund + top_up + account + cash", name="total_is_paid"),
        CheckConstraint("fund + top_up + account <= in_scope", name="scope_is_not_passed"),
        CheckConstraint(
            "least(own_pay, first_self_pay, in_scope, deductible, fund, top_up, account, cash) >= 0",
            name="parts_not_negative",
        ),
        ForeignKeyConstraint(["institution", "mdtrt_id"], [VisitRow.institution, VisitRow.mdtrt_id]),
        Index("medical_settlement_by_year", "person", "fund", "year", "ordinal", unique=True),
        Index("medical_settlement_by_day", "institution", "settled_on"),
    )

    institution: Mapped[str] = mapped_column(primary_key=True)
    setl_id: Mapped[str] = mapped_column(primary_key=True)
    mdtrt_id: Mapped[str]
    chrg_bchno: Mapped[str]
    person: Mapped[str]
    fund_name: Mapped[str]
    insurance_type: Mapped[str]
    care: Mapped[str]
    policy: Mapped[str]
    year: Mapped[int]
    ordinal: Mapped[int]
    settled_at: Mapped[datetime] = mapped_column(DateTime(timezone=True))
    settled_on: Mapped[date]
    total: Mapped[int] = mapped_column(BigInteger)
    own_pay: Mapped[int] = mapped_column(BigInteger)
    first_self_pay: Mapped[int] = mapped_column(BigInteger)
    in_scope: Mapped[int] = mapped_column(BigInteger)
    deductible: Mapped[int] = mapped_column(BigInteger)
    fund: Mapped[int] = mapped_column(BigInteger)
    top_up: Mapped[int] = mapped_column(BigInteger)
    account: Mapped[int] = mapped_column(BigInteger)
    cash: Mapped[int] = mapped_column(BigInteger)
    explanation: Mapped[list[list[str]]] = mapped_column(JSONB)


class CancellationRow(Base):
    """A settlement taken back as a whole; ``cause`` is the interface that did it, 2208 or 2601."""

    __tablename__ = "medical_cancellation"
    __table_args__ = (
        ForeignKeyConstraint(["institution", "setl_id"], [SettlementRow.institution, SettlementRow.setl_id]),
        Index("medical_cancellation_by_day", "institution", "cancelled_on"),
    )

    institution: Mapped[str] = mapped_column(primary_key=True)
    setl_id: Mapped[str] = mapped_column(primary_key=True)
    msgid: Mapped[str]
    cause: Mapped[str]
    cancelled_at: Mapped[datetime] = mapped_column(DateTime(timezone=True))
    cancelled_on: Mapped[date]


class YearRow(Base):
    """What a person's year with a fund has come to, by kind of care. Locked for every settlement of the person."""

    __tablename__ = "medical_year"
    __table_args__ = (
        CheckConstraint("least(in_scope, deductible, fund, top_up, stays) >= 0", name="counters_not_negative"),
    )

    person: Mapped[str] = mapped_column(primary_key=True)
    fund_name: Mapped[str] = mapped_column(primary_key=True)
    year: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    care: Mapped[str] = mapped_column(primary_key=True)
    in_scope: Mapped[int] = mapped_column(BigInteger)
    deductible: Mapped[int] = mapped_column(BigInteger)
    fund: Mapped[int] = mapped_column(BigInteger)
    top_up: Mapped[int] = mapped_column(BigInteger)
    stays: Mapped[int]
