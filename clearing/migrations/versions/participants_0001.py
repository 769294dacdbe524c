"""Participants and tariffs. What was published stays as it was."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

from backoffice.migration import grant

revision = "participants_0001"
down_revision = None
branch_labels = ("participants",)
depends_on = None


def upgrade() -> None:
    op.create_table(
        "city",
        sa.Column("version", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("document", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("published_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("version", name=op.f("pk_city")),
        schema="clearing",
    )
    op.create_table(
        "tariff",
        sa.Column("version", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("document", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("published_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("version", name=op.f("pk_tariff")),
        schema="clearing",
    )
    grant("city", "SELECT, INSERT", schema="clearing")
    grant("tariff", "SELECT, INSERT", schema="clearing")
