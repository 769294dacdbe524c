"""Medical visits. Settlements, cancellations and fee lines only grow; challenges, messages and the year's totals move."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

from backoffice.migration import grant

revision = "benefits_0001"
down_revision = None
branch_labels = ("benefits",)
depends_on = None


def upgrade() -> None:
    op.create_table(
        "medical_institution",
        sa.Column("institution", sa.String(), nullable=False),
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("level", sa.String(), nullable=False),
        sa.PrimaryKeyConstraint("institution", name=op.f("pk_medical_institution")),
        schema="clearing",
    )
    op.create_table(
        "medical_challenge",
        sa.Column("challenge", sa.LargeBinary(), nullable=False),
        sa.Column("device", sa.String(), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("used_by", sa.LargeBinary(), nullable=True),
        sa.Column("person", sa.String(), nullable=True),
        sa.Column("proved_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("visit", sa.String(), nullable=True),
        sa.PrimaryKeyConstraint("challenge", name=op.f("pk_medical_challenge")),
        schema="clearing",
    )
    op.create_index(
        "medical_challenge_by_person", "medical_challenge", ["device", "person"], unique=False, schema="clearing"
    )
    op.create_table(
        "medical_message",
        sa.Column("device", sa.String(), nullable=False),
        sa.Column("msgid", sa.String(), nullable=False),
        sa.Column("infno", sa.String(), nullable=False),
        sa.Column("content_hash", sa.LargeBinary(), nullable=False),
        sa.Column("answer", sa.String(), nullable=True),
        sa.Column("reversed", sa.Boolean(), nullable=False),
        sa.Column("received_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("device", "msgid", name=op.f("pk_medical_message")),
        schema="clearing",
    )
    op.create_table(
        "medical_visit",
        sa.Column("institution", sa.String(), nullable=False),
        sa.Column("mdtrt_id", sa.String(), nullable=False),
        sa.Column("device", sa.String(), nullable=False),
        sa.Column("person", sa.String(), nullable=False),
        sa.Column("fund", sa.String(), nullable=False),
        sa.Column("insured_class", sa.String(), nullable=False),
        sa.Column("begun_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("institution", "mdtrt_id", name=op.f("pk_medical_visit")),
        schema="clearing",
    )
    op.create_table(
        "medical_fee_line",
        sa.Column("institution", sa.String(), nullable=False),
        sa.Column("mdtrt_id", sa.String(), nullable=False),
        sa.Column("chrg_bchno", sa.String(), nullable=False),
        sa.Column("feedetl_sn", sa.String(), nullable=False),
        sa.Column("item_code", sa.String(), nullable=False),
        sa.Column("item_class", sa.String(), nullable=False),
        sa.Column("first_self_pay", sa.String(), nullable=True),
        sa.Column("amount_minor", sa.BigInteger(), nullable=False),
        sa.CheckConstraint("amount_minor >= 0", name=op.f("ck_medical_fee_line_amount_not_negative")),
        sa.ForeignKeyConstraint(
            ["institution", "mdtrt_id"],
            ["clearing.medical_visit.institution", "clearing.medical_visit.mdtrt_id"],
            name=op.f("fk_medical_fee_line_institution_mdtrt_id"),
        ),
        sa.PrimaryKeyConstraint(
            "institution", "mdtrt_id", "chrg_bchno", "feedetl_sn", name=op.f("pk_medical_fee_line")
        ),
        schema="clearing",
    )
    op.create_table(
        "medical_settlement",
        sa.Column("institution", sa.String(), nullable=False),
        sa.Column("setl_id", sa.String(), nullable=False),
        sa.Column("mdtrt_id", sa.String(), nullable=False),
        sa.Column("chrg_bchno", sa.String(), nullable=False),
        sa.Column("person", sa.String(), nullable=False),
        sa.Column("fund_name", sa.String(), nullable=False),
        sa.Column("insurance_type", sa.String(), nullable=False),
        sa.Column("care", sa.String(), nullable=False),
        sa.Column("policy", sa.String(), nullable=False),
        sa.Column("year", sa.Integer(), nullable=False),
        sa.Column("ordinal", sa.Integer(), nullable=False),
        sa.Column("settled_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("settled_on", sa.Date(), nullable=False),
        sa.Column("total", sa.BigInteger(), nullable=False),
        sa.Column("own_pay", sa.BigInteger(), nullable=False),
        sa.Column("first_self_pay", sa.BigInteger(), nullable=False),
        sa.Column("in_scope", sa.BigInteger(), nullable=False),
        sa.Column("deductible", sa.BigInteger(), nullable=False),
        sa.Column("fund", sa.BigInteger(), nullable=False),
        sa.Column("top_up", sa.BigInteger(), nullable=False),
        sa.Column("account", sa.BigInteger(), nullable=False),
        sa.Column("cash", sa.BigInteger(), nullable=False),
        sa.Column("explanation", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.CheckConstraint(
            "fund + top_up + account <= in_scope", name=op.f("ck_medical_settlement_scope_is_not_passed")
        ),
        sa.CheckConstraint(
            "least(own_pay, first_self_pay, in_scope, deductible, fund, top_up, account, cash) >= 0",
            name=op.f("ck_medical_settlement_parts_not_negative"),
        ),
        sa.CheckConstraint("total = fund + top_up + account + cash", name=op.f("ck_medical_settlement_total_is_paid")),
        sa.CheckConstraint(
            "total = own_pay + first_self_pay + in_scope", name=op.f("ck_medical_settlement_total_is_its_parts")
        ),
        sa.ForeignKeyConstraint(
            ["institution", "mdtrt_id"],
            ["clearing.medical_visit.institution", "clearing.medical_visit.mdtrt_id"],
            name=op.f("fk_medical_settlement_institution_mdtrt_id"),
        ),
        sa.PrimaryKeyConstraint("institution", "setl_id", name=op.f("pk_medical_settlement")),
        schema="clearing",
    )
    op.create_index(
        "medical_settlement_by_day",
        "medical_settlement",
        ["institution", "settled_on"],
        unique=False,
        schema="clearing",
    )
    op.create_index(
        "medical_settlement_by_year",
        "medical_settlement",
        ["person", "fund", "year", "ordinal"],
        unique=True,
        schema="clearing",
    )
    op.create_table(
        "medical_cancellation",
        sa.Column("institution", sa.String(), nullable=False),
        sa.Column("setl_id", sa.String(), nullable=False),
        sa.Column("msgid", sa.String(), nullable=False),
        sa.Column("cause", sa.String(), nullable=False),
        sa.Column("cancelled_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("cancelled_on", sa.Date(), nullable=False),
        sa.ForeignKeyConstraint(
            ["institution", "setl_id"],
            ["clearing.medical_settlement.institution", "clearing.medical_settlement.setl_id"],
            name=op.f("fk_medical_cancellation_institution_setl_id"),
        ),
        sa.PrimaryKeyConstraint("institution", "setl_id", name=op.f("pk_medical_cancellation")),
        schema="clearing",
    )
    op.create_index(
        "medical_cancellation_by_day",
        "medical_cancellation",
        ["institution", "cancelled_on"],
        unique=False,
        schema="clearing",
    )
    op.create_table(
        "medical_year",
        sa.Column("person", sa.String(), nullable=False),
        sa.Column("fund_name", sa.String(), nullable=False),
        sa.Column("year", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("care", sa.String(), nullable=False),
        sa.Column("in_scope", sa.BigInteger(), nullable=False),
        sa.Column("deductible", sa.BigInteger(), nullable=False),
        sa.Column("fund", sa.BigInteger(), nullable=False),
        sa.Column("top_up", sa.BigInteger(), nullable=False),
        sa.Column("stays", sa.Integer(), nullable=False),
        sa.CheckConstraint(
            "least(in_scope, deductible, fund, top_up, stays) >= 0", name=op.f("ck_medical_year_counters_not_negative")
        ),
        sa.PrimaryKeyConstraint("person", "fund_name", "year", "care", name=op.f("pk_medical_year")),
        schema="clearing",
    )
    grant("medical_institution", "SELECT, INSERT", schema="clearing")
    grant("medical_challenge", "SELECT, INSERT, UPDATE (used_by, person, proved_at, visit)", schema="clearing")
    grant("medical_message", "SELECT, INSERT, UPDATE (answer, reversed)", schema="clearing")
    grant("medical_visit", "SELECT, INSERT", schema="clearing")
    grant("medical_fee_line", "SELECT, INSERT", schema="clearing")
    grant("medical_settlement", "SELECT, INSERT", schema="clearing")
    grant("medical_cancellation", "SELECT, INSERT", schema="clearing")
    grant("medical_year", "SELECT, INSERT, UPDATE (in_scope, deductible, fund, top_up, stays)", schema="clearing")
