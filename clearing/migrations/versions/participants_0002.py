"""Contracts and agreements by two persons, every version for ever. Fees may be less than the commissions of their time, and
what is kept back has an account for each participant."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

from backoffice.migration import grant

revision = "participants_0002"
down_revision = "participants_0001"
branch_labels = None
depends_on = "ledger_0001"


def upgrade() -> None:
    op.create_table(
        "agreed_document",
        sa.Column("kind", sa.String(), nullable=False),
        sa.Column("version", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("document", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("state", sa.String(), nullable=False),
        sa.Column("proposed_by", sa.String(), nullable=True),
        sa.Column("proposed_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("approved_by", sa.String(), nullable=True),
        sa.Column("approved_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint(
            "state IN ('proposed', 'withdrawn', 'approved')", name=op.f("ck_agreed_document_state_known")
        ),
        sa.CheckConstraint(
            "approved_by IS NULL OR approved_by <> proposed_by", name=op.f("ck_agreed_document_two_persons")
        ),
        sa.CheckConstraint(
            "(state = 'approved') = (approved_at IS NOT NULL)", name=op.f("ck_agreed_document_approved_has_a_time")
        ),
        sa.PrimaryKeyConstraint("kind", "version", name=op.f("pk_agreed_document")),
        schema="clearing",
    )
    grant("agreed_document", "SELECT, INSERT, UPDATE (state, approved_by, approved_at)", schema="clearing")
    op.execute("UPDATE clearing.ledger_account SET limit_rule = 'none' WHERE kind = 'fees'")
    # Nothing ever moved on it.
    op.execute("DELETE FROM clearing.ledger_account WHERE code = 'retention' AND debits_posted + credits_posted = 0")
