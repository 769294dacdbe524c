"""The ledger. Transfers and links only grow; of an account only the counters move."""

import sqlalchemy as sa
from alembic import op

from backoffice.migration import grant

revision = "ledger_0001"
down_revision = None
branch_labels = ("ledger",)
depends_on = None


def upgrade() -> None:
    op.create_table(
        "ledger_account",
        sa.Column("book", sa.String(), nullable=False),
        sa.Column("code", sa.String(), nullable=False),
        sa.Column("kind", sa.String(), nullable=False),
        sa.Column("currency", sa.String(), nullable=False),
        sa.Column("limit_rule", sa.String(), nullable=False),
        sa.Column("limit_minor", sa.BigInteger(), nullable=False),
        sa.Column("debits_posted", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("credits_posted", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("debits_pending", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("credits_pending", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.CheckConstraint(
            "limit_rule <> 'credits_must_not_exceed_debits' OR credits_posted + credits_pending <= debits_posted + limit_minor",
            name=op.f("ck_ledger_account_credits_must_not_exceed_debits"),
        ),
        sa.CheckConstraint(
            "limit_rule <> 'debits_must_not_exceed_credits' OR debits_posted + debits_pending <= credits_posted + limit_minor",
            name=op.f("ck_ledger_account_debits_must_not_exceed_credits"),
        ),
        sa.CheckConstraint(
            "debits_posted >= 0 AND credits_posted >= 0 AND debits_pending >= 0 AND credits_pending >= 0",
            name=op.f("ck_ledger_account_counters_not_negative"),
        ),
        sa.CheckConstraint("limit_minor >= 0", name=op.f("ck_ledger_account_limit_not_negative")),
        sa.PrimaryKeyConstraint("book", "code", name=op.f("pk_ledger_account")),
        schema="clearing",
    )
    op.create_table(
        "ledger_transfer",
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("book", sa.String(), nullable=False),
        sa.Column("debit", sa.String(), nullable=False),
        sa.Column("credit", sa.String(), nullable=False),
        sa.Column("amount_minor", sa.BigInteger(), nullable=False),
        sa.Column("currency", sa.String(), nullable=False),
        sa.Column("purpose", sa.String(), nullable=False),
        sa.Column("business_day", sa.Date(), nullable=False),
        sa.Column("phase", sa.String(), nullable=False),
        sa.Column("pending_id", sa.String(), nullable=True),
        sa.Column("reference", sa.String(), nullable=False),
        sa.Column("recorded_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint(
            "(phase IN ('post', 'void')) = (pending_id IS NOT NULL)",
            name=op.f("ck_ledger_transfer_settles_what_it_names"),
        ),
        sa.CheckConstraint("id <> ''", name=op.f("ck_ledger_transfer_id_given")),
        sa.CheckConstraint(
            "phase IN ('single', 'pending', 'post', 'void')", name=op.f("ck_ledger_transfer_phase_known")
        ),
        sa.CheckConstraint("amount_minor > 0", name=op.f("ck_ledger_transfer_amount_above_zero")),
        sa.CheckConstraint("debit <> credit", name=op.f("ck_ledger_transfer_accounts_different")),
        sa.ForeignKeyConstraint(
            ["book", "credit"],
            ["clearing.ledger_account.book", "clearing.ledger_account.code"],
            name=op.f("fk_ledger_transfer_book_credit"),
        ),
        sa.ForeignKeyConstraint(
            ["book", "debit"],
            ["clearing.ledger_account.book", "clearing.ledger_account.code"],
            name=op.f("fk_ledger_transfer_book_debit"),
        ),
        sa.ForeignKeyConstraint(
            ["pending_id"], ["clearing.ledger_transfer.id"], name=op.f("fk_ledger_transfer_pending_id")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_ledger_transfer")),
        schema="clearing",
    )
    op.create_index(
        "ledger_transfer_by_book", "ledger_transfer", ["book", "business_day"], unique=False, schema="clearing"
    )
    op.create_index(
        "ledger_transfer_settled_once",
        "ledger_transfer",
        ["pending_id"],
        unique=True,
        schema="clearing",
        postgresql_where=sa.text("pending_id IS NOT NULL"),
    )
    op.create_table(
        "ledger_link",
        sa.Column("book", sa.String(), nullable=False),
        sa.Column("number", sa.BigInteger(), nullable=False),
        sa.Column("window", sa.Integer(), nullable=False),
        sa.Column("transfer_id", sa.String(), nullable=False),
        sa.Column("hash", sa.LargeBinary(), nullable=False),
        sa.ForeignKeyConstraint(
            ["transfer_id"], ["clearing.ledger_transfer.id"], name=op.f("fk_ledger_link_transfer_id")
        ),
        sa.PrimaryKeyConstraint("book", "number", name=op.f("pk_ledger_link")),
        sa.UniqueConstraint("transfer_id", name=op.f("uq_ledger_link_transfer_id")),
        schema="clearing",
    )
    grant(
        "ledger_account",
        "SELECT, INSERT, UPDATE (debits_posted, credits_posted, debits_pending, credits_pending)",
        schema="clearing",
    )
    grant("ledger_transfer", "SELECT, INSERT", schema="clearing")
    grant("ledger_link", "SELECT, INSERT", schema="clearing")
