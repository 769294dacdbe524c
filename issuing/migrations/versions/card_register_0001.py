"""The card register."""

import sqlalchemy as sa
from alembic import op

from backoffice.migration import grant

revision = "card_register_0001"
down_revision = None
branch_labels = ("card_register",)
depends_on = None


def upgrade() -> None:
    op.execute("CREATE SEQUENCE issuing.card_number MINVALUE 1")
    op.create_table(
        "card",
        sa.Column("serial", sa.LargeBinary(), nullable=False),
        sa.Column("chip_serial", sa.LargeBinary(), nullable=False),
        sa.Column("issuer", sa.LargeBinary(), nullable=False),
        sa.Column("application", sa.String(), nullable=False),
        sa.Column("person", sa.String(), nullable=False),
        sa.Column("product", sa.String(), nullable=False),
        sa.Column("rider_class", sa.String(), nullable=False),
        sa.Column("key_version", sa.Integer(), nullable=False),
        sa.Column("valid_from", sa.Date(), nullable=False),
        sa.Column("valid_to", sa.Date(), nullable=False),
        sa.Column("purse_limit_minor", sa.BigInteger(), nullable=False),
        sa.Column("social_card_number", sa.String(), nullable=False),
        sa.Column("state", sa.String(), nullable=False),
        sa.Column("changed_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("serial", name=op.f("pk_card")),
        sa.UniqueConstraint("application", name=op.f("uq_card_application")),
        sa.UniqueConstraint("chip_serial", name=op.f("uq_card_chip_serial")),
        schema="issuing",
    )
    op.create_index(op.f("ix_card_person"), "card", ["person"], unique=False, schema="issuing")
    op.create_index(op.f("ix_card_state"), "card", ["state"], unique=False, schema="issuing")
    grant("card", "SELECT, INSERT, UPDATE", schema="issuing")
