"""Applications for cards."""

import sqlalchemy as sa
from alembic import op

from backoffice.migration import grant

revision = "applications_0001"
down_revision = None
branch_labels = ("applications",)
depends_on = None


def upgrade() -> None:
    op.create_table(
        "application",
        sa.Column("application", sa.String(), nullable=False),
        sa.Column("arrival", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("person", sa.String(), nullable=False),
        sa.Column("product", sa.String(), nullable=False),
        sa.Column("state", sa.String(), nullable=False),
        sa.Column("applied_by", sa.String(), nullable=False),
        sa.Column("applied_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("decided_by", sa.String(), nullable=True),
        sa.Column("decided_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint("decided_by <> applied_by", name=op.f("ck_application_second_person")),
        sa.PrimaryKeyConstraint("application", name=op.f("pk_application")),
        sa.UniqueConstraint("arrival", name=op.f("uq_application_arrival")),
        schema="issuing",
    )
    op.create_index(op.f("ix_application_person"), "application", ["person"], unique=False, schema="issuing")
    op.create_index(op.f("ix_application_state"), "application", ["state"], unique=False, schema="issuing")
    op.create_index(
        "one_open_application",
        "application",
        ["person"],
        unique=True,
        schema="issuing",
        postgresql_where=sa.text("state IN ('submitted', 'approved', 'in_production')"),
    )
    grant("application", "SELECT, INSERT, UPDATE", schema="issuing")
