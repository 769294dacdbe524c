"""Restatements of past periods."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

from backoffice.migration import grant

revision = "restatement_0001"
down_revision = None
branch_labels = ("restatement",)
depends_on = None


def upgrade() -> None:
    op.create_table(
        "restatement",
        sa.Column("number", sa.String(), nullable=False),
        sa.Column("first_day", sa.Date(), nullable=False),
        sa.Column("last_day", sa.Date(), nullable=False),
        sa.Column("lines", postgresql.JSONB(), nullable=False),
        sa.Column("operators", postgresql.JSONB(), nullable=False),
        sa.Column("tariff_version", sa.Integer(), nullable=False),
        sa.Column("borne_by", sa.String(), nullable=False),
        sa.Column("reason", sa.String(), nullable=False),
        sa.Column("state", sa.String(), nullable=False),
        sa.Column("proposed_by", sa.String(), nullable=False),
        sa.Column("proposed_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("through_window", sa.Integer(), nullable=False),
        sa.Column("inputs", sa.LargeBinary(), nullable=True),
        sa.Column("computed", postgresql.JSONB(), nullable=True),
        sa.Column("approved_by", sa.String(), nullable=True),
        sa.Column("approved_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("place", sa.Integer(), nullable=True),
        sa.Column("business_day", sa.Date(), nullable=True),
        sa.Column("pieces_posted", sa.Integer(), nullable=False),
        sa.CheckConstraint("first_day <= last_day", name=op.f("ck_restatement_first_before_last")),
        sa.CheckConstraint(
            "approved_by IS NULL OR approved_by <> proposed_by", name=op.f("ck_restatement_two_persons")
        ),
        sa.CheckConstraint(
            "(state IN ('approved', 'posted')) = (approved_by IS NOT NULL AND place IS NOT NULL"
            " AND business_day IS NOT NULL)",
            name=op.f("ck_restatement_approved_by_somebody"),
        ),
        sa.CheckConstraint(
            "state NOT IN ('computed', 'approved', 'posted') OR computed IS NOT NULL",
            name=op.f("ck_restatement_computed_first"),
        ),
        sa.PrimaryKeyConstraint("number", name=op.f("pk_restatement")),
        sa.UniqueConstraint("place", name=op.f("uq_restatement_place")),
        schema="clearing",
    )
    grant("restatement", "SELECT, INSERT, UPDATE", schema="clearing")
