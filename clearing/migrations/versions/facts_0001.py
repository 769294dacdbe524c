"""Clearing's copy of the feed. The deny list's changes only grow: old taps are judged by old versions."""

import sqlalchemy as sa
from alembic import op

from backoffice.migration import grant

revision = "facts_0001"
down_revision = None
branch_labels = ("facts",)
depends_on = None


def upgrade() -> None:
    op.create_table(
        "feed_position",
        sa.Column("feed", sa.String(), nullable=False),
        sa.Column("number", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("feed", name=op.f("pk_feed_position")),
        schema="clearing",
    )
    op.create_table(
        "card_fact",
        sa.Column("issuer", sa.LargeBinary(), nullable=False),
        sa.Column("serial", sa.LargeBinary(), nullable=False),
        sa.Column("number", sa.BigInteger(), nullable=False),
        sa.Column("chip_serial", sa.LargeBinary(), nullable=False),
        sa.Column("person", sa.String(), nullable=False),
        sa.Column("product", sa.String(), nullable=False),
        sa.Column("rider_class", sa.String(), nullable=False),
        sa.Column("key_version", sa.Integer(), nullable=False),
        sa.Column("valid_from", sa.Date(), nullable=False),
        sa.Column("valid_to", sa.Date(), nullable=False),
        sa.Column("purse_limit_minor", sa.BigInteger(), nullable=False),
        sa.Column("state", sa.String(), nullable=False),
        sa.Column("effective", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("issuer", "serial", name=op.f("pk_card_fact")),
        schema="clearing",
    )
    op.create_index("card_fact_by_chip", "card_fact", ["chip_serial"], unique=False, schema="clearing")
    op.create_table(
        "insured_fact",
        sa.Column("person", sa.String(), nullable=False),
        sa.Column("number", sa.BigInteger(), nullable=False),
        sa.Column("fund", sa.String(), nullable=False),
        sa.Column("insured_class", sa.String(), nullable=False),
        sa.Column("effective", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("person", name=op.f("pk_insured_fact")),
        schema="clearing",
    )
    op.create_table(
        "sam_fact",
        sa.Column("sam_serial", sa.LargeBinary(), nullable=False),
        sa.Column("number", sa.BigInteger(), nullable=False),
        sa.Column("terminal_number", sa.LargeBinary(), nullable=False),
        sa.Column("issuer", sa.LargeBinary(), nullable=False),
        sa.Column("key_version", sa.Integer(), nullable=False),
        sa.Column("device", sa.String(), nullable=True),
        sa.Column("operator", sa.String(), nullable=True),
        sa.Column("state", sa.String(), nullable=False),
        sa.PrimaryKeyConstraint("sam_serial", name=op.f("pk_sam_fact")),
        schema="clearing",
    )
    op.create_table(
        "deny_change",
        sa.Column("number", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("issuer", sa.LargeBinary(), nullable=False),
        sa.Column("serial", sa.LargeBinary(), nullable=False),
        sa.Column("denied", sa.Boolean(), nullable=False),
        sa.Column("reported_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("number", name=op.f("pk_deny_change")),
        schema="clearing",
    )
    grant("feed_position", "SELECT, INSERT, UPDATE", schema="clearing")
    grant("card_fact", "SELECT, INSERT, UPDATE", schema="clearing")
    grant("insured_fact", "SELECT, INSERT, UPDATE", schema="clearing")
    grant("sam_fact", "SELECT, INSERT, UPDATE", schema="clearing")
    grant("deny_change", "SELECT, INSERT", schema="clearing")
