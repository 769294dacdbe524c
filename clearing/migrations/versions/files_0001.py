"""Operators' files."""

import sqlalchemy as sa
from alembic import op

from backoffice.migration import grant

revision = "files_0001"
down_revision = None
branch_labels = ("files",)
depends_on = None


def upgrade() -> None:
    op.create_table(
        "operators_file",
        sa.Column("stored_as", sa.LargeBinary(), nullable=False),
        sa.Column("operator", sa.String(), nullable=False),
        sa.Column("by", sa.String(), nullable=False),
        sa.Column("layout", sa.String(), nullable=False),
        sa.Column("records", sa.Integer(), nullable=False),
        sa.Column("devices", sa.Integer(), nullable=False),
        sa.Column("amount_sum_minor", sa.BigInteger(), nullable=False),
        sa.Column("window", sa.Integer(), nullable=False),
        sa.Column("received_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint("octet_length(stored_as) = 32", name=op.f("ck_operators_file_stored_as_length")),
        sa.PrimaryKeyConstraint("stored_as", name=op.f("pk_operators_file")),
        schema="clearing",
    )
    op.create_index("operators_file_by_window", "operators_file", ["window"], schema="clearing")
    grant("operators_file", "SELECT, INSERT", schema="clearing")
