"""Batches, records and conflicts only grow; a gap is closed by a date."""

import sqlalchemy as sa
from alembic import op

from backoffice.migration import grant

revision = "intake_0001"
down_revision = None
branch_labels = ("intake",)
depends_on = None


def upgrade() -> None:
    op.create_table(
        "batch",
        sa.Column("device", sa.String(), nullable=False),
        sa.Column("number", sa.BigInteger(), nullable=False),
        sa.Column("content_hash", sa.LargeBinary(), nullable=False),
        sa.Column("raw", sa.LargeBinary(), nullable=False),
        sa.Column("first_sequence", sa.BigInteger(), nullable=False),
        sa.Column("last_sequence", sa.BigInteger(), nullable=False),
        sa.Column("count", sa.Integer(), nullable=False),
        sa.Column("amount_sum_minor", sa.BigInteger(), nullable=False),
        sa.Column("window", sa.Integer(), nullable=False),
        sa.Column("received_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("device", "number", name=op.f("pk_batch")),
        sa.UniqueConstraint("content_hash", name=op.f("uq_batch_content_hash")),
        schema="clearing",
    )
    op.create_table(
        "record",
        sa.Column("device", sa.String(), nullable=False),
        sa.Column("journal_sequence", sa.BigInteger(), nullable=False),
        sa.Column("raw", sa.LargeBinary(), nullable=False),
        sa.Column("kind", sa.String(), nullable=False),
        sa.Column("event", sa.String(), nullable=False),
        sa.Column("outcome", sa.String(), nullable=False),
        sa.Column("issuer", sa.LargeBinary(), nullable=False),
        sa.Column("serial", sa.LargeBinary(), nullable=False),
        sa.Column("purse", sa.Integer(), nullable=False),
        sa.Column("card_sequence", sa.Integer(), nullable=False),
        sa.Column("amount_minor", sa.BigInteger(), nullable=False),
        sa.Column("window", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("device", "journal_sequence", name=op.f("pk_record")),
        schema="clearing",
    )
    op.create_index(
        "record_by_card", "record", ["issuer", "serial", "purse", "card_sequence"], unique=False, schema="clearing"
    )
    op.create_index("record_by_window", "record", ["window"], unique=False, schema="clearing")
    op.create_table(
        "open_gap",
        sa.Column("number", sa.BigInteger(), nullable=False),
        sa.Column("device", sa.String(), nullable=False),
        sa.Column("series", sa.String(), nullable=False),
        sa.Column("first", sa.BigInteger(), nullable=False),
        sa.Column("last", sa.BigInteger(), nullable=False),
        sa.Column("opened_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("closed_at", sa.DateTime(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("number", name=op.f("pk_open_gap")),
        schema="clearing",
    )
    op.create_index(
        "open_gap_once",
        "open_gap",
        ["device", "series", "first", "last"],
        unique=True,
        schema="clearing",
        postgresql_where=sa.text("closed_at IS NULL"),
    )
    op.create_table(
        "conflict",
        sa.Column("content_hash", sa.LargeBinary(), nullable=False),
        sa.Column("device", sa.String(), nullable=False),
        sa.Column("number", sa.BigInteger(), nullable=False),
        sa.Column("faults", sa.String(), nullable=False),
        sa.Column("raw", sa.LargeBinary(), nullable=False),
        sa.Column("received_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("content_hash", name=op.f("pk_conflict")),
        schema="clearing",
    )
    grant("batch", "SELECT, INSERT", schema="clearing")
    grant("record", "SELECT, INSERT", schema="clearing")
    grant("open_gap", "SELECT, INSERT, UPDATE (closed_at)", schema="clearing")
    grant("conflict", "SELECT, INSERT", schema="clearing")
