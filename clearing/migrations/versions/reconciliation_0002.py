"""Statements in several pages."""

import sqlalchemy as sa
from alembic import op

from backoffice.migration import grant

revision = "reconciliation_0002"
down_revision = "reconciliation_0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "bank_page",
        sa.Column("account", sa.String(), nullable=False),
        sa.Column("kind", sa.String(), nullable=False),
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("number", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("digest", sa.LargeBinary(), nullable=False),
        sa.Column("content", sa.LargeBinary(), nullable=False),
        sa.Column("taken_by", sa.String(), nullable=False),
        sa.Column("taken_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint("number > 0", name=op.f("ck_bank_page_counted_from_one")),
        sa.PrimaryKeyConstraint("account", "kind", "id", "number", name=op.f("pk_bank_page")),
        schema="clearing",
    )
    grant("bank_page", "SELECT, INSERT", schema="clearing")
