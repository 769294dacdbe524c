"""Windows, decisions and settled transactions."""

import sqlalchemy as sa
from alembic import op

from backoffice.migration import grant

revision = "settlement_0001"
down_revision = None
branch_labels = ("settlement",)
depends_on = None


def upgrade() -> None:
    op.create_table(
        "settlement_window",
        sa.Column("number", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("state", sa.String(), nullable=False),
        sa.Column("opened_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("business_day", sa.Date(), nullable=True),
        sa.Column("proposed_by", sa.String(), nullable=True),
        sa.Column("proposed_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("approved_by", sa.String(), nullable=True),
        sa.Column("approved_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("manifest", sa.LargeBinary(), nullable=True),
        sa.Column("result", sa.LargeBinary(), nullable=True),
        sa.CheckConstraint(
            "state = 'open' OR (proposed_by IS NOT NULL AND manifest IS NOT NULL AND result IS NOT NULL)",
            name=op.f("ck_settlement_window_frozen_when_proposed"),
        ),
        sa.CheckConstraint(
            "approved_by IS NULL OR approved_by <> proposed_by", name=op.f("ck_settlement_window_two_persons")
        ),
        sa.PrimaryKeyConstraint("number", name=op.f("pk_settlement_window")),
        schema="clearing",
    )
    op.create_index(
        "settlement_window_one_open",
        "settlement_window",
        ["state"],
        unique=True,
        schema="clearing",
        postgresql_where=sa.text("state = 'open'"),
    )
    op.create_table(
        "record_decision",
        sa.Column("window", sa.Integer(), nullable=False),
        sa.Column("device", sa.String(), nullable=False),
        sa.Column("journal_sequence", sa.BigInteger(), nullable=False),
        sa.Column("status", sa.String(), nullable=False),
        sa.Column("reason", sa.String(), nullable=False),
        sa.PrimaryKeyConstraint("window", "device", "journal_sequence", name=op.f("pk_record_decision")),
        schema="clearing",
    )
    op.create_table(
        "settled_transaction",
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("fingerprint", sa.LargeBinary(), nullable=False),
        sa.Column("evidence", sa.String(), nullable=False),
        sa.Column("window", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_settled_transaction")),
        schema="clearing",
    )
    grant("settlement_window", "SELECT, INSERT, UPDATE", schema="clearing")
    grant("record_decision", "SELECT, INSERT", schema="clearing")
    grant("settled_transaction", "SELECT, INSERT", schema="clearing")
