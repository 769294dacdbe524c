"""Blank cards and SAMs; the log only grows."""

import sqlalchemy as sa
from alembic import op

from backoffice.migration import grant

revision = "stock_0001"
down_revision = None
branch_labels = ("stock",)
depends_on = None


def upgrade() -> None:
    op.create_table(
        "blank",
        sa.Column("chip_serial", sa.LargeBinary(), nullable=False),
        sa.Column("kind", sa.String(), nullable=False),
        sa.Column("state", sa.String(), nullable=False),
        sa.Column("delivery", sa.String(), nullable=False),
        sa.Column("received_by", sa.String(), nullable=False),
        sa.PrimaryKeyConstraint("chip_serial", name=op.f("pk_blank")),
        schema="issuing",
    )
    op.create_index(op.f("ix_blank_state"), "blank", ["state"], unique=False, schema="issuing")
    op.create_table(
        "stock_move",
        sa.Column("number", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("chip_serial", sa.LargeBinary(), nullable=False),
        sa.Column("event", sa.String(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("by", sa.String(), nullable=False),
        sa.Column("reason", sa.String(), nullable=False),
        sa.PrimaryKeyConstraint("number", name=op.f("pk_stock_move")),
        schema="issuing",
    )
    op.create_index(op.f("ix_stock_move_chip_serial"), "stock_move", ["chip_serial"], unique=False, schema="issuing")
    grant("blank", "SELECT, INSERT, UPDATE", schema="issuing")
    grant("stock_move", "SELECT, INSERT", schema="issuing")
