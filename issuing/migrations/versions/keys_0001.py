"""The key log; it only grows."""

import sqlalchemy as sa
from alembic import op

from backoffice.migration import grant

revision = "keys_0001"
down_revision = None
branch_labels = ("keys",)
depends_on = None


def upgrade() -> None:
    op.create_table(
        "key_log",
        sa.Column("number", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("chip_serial", sa.LargeBinary(), nullable=False),
        sa.Column("directory", sa.Integer(), nullable=False),
        sa.Column("key_type", sa.Integer(), nullable=False),
        sa.Column("key_id", sa.Integer(), nullable=False),
        sa.Column("label", sa.String(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("written_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("number", name=op.f("pk_key_log")),
        schema="issuing",
    )
    op.create_index(op.f("ix_key_log_chip_serial"), "key_log", ["chip_serial"], unique=False, schema="issuing")
    grant("key_log", "SELECT, INSERT", schema="issuing")
