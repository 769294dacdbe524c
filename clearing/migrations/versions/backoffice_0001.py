"""Staff accounts and the audit trail; the trail can only grow."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

from backoffice.migration import grant, show_reader_only

revision = "backoffice_0001"
down_revision = None
branch_labels = ("backoffice",)
depends_on = None


def upgrade() -> None:
    op.create_table(
        "staff",
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("password_hash", sa.Text(), nullable=False),
        sa.Column("roles", sa.ARRAY(sa.Text()), nullable=False),
        sa.Column("failures", sa.Integer(), server_default="0", nullable=False),
        sa.Column("locked_until", sa.DateTime(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_staff")),
        schema="clearing",
    )
    op.create_table(
        "audit_trail",
        sa.Column("number", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("actor", sa.Text(), nullable=False),
        sa.Column("act", sa.Text(), nullable=False),
        sa.Column("subject", sa.Text(), nullable=False),
        sa.Column("detail", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.PrimaryKeyConstraint("number", name=op.f("pk_audit_trail")),
        schema="clearing",
    )
    grant("staff", "SELECT, INSERT, UPDATE (failures, locked_until)", schema="clearing")
    show_reader_only("staff", "name, roles, failures, locked_until", schema="clearing")
    grant("audit_trail", "SELECT, INSERT", schema="clearing")
