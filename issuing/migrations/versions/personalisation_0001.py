"""Production: chips between stock and register."""

import sqlalchemy as sa
from alembic import op

from backoffice.migration import grant

revision = "personalisation_0001"
down_revision = None
branch_labels = ("personalisation",)
depends_on = None


def upgrade() -> None:
    op.create_table(
        "production",
        sa.Column("chip_serial", sa.LargeBinary(), nullable=False),
        sa.Column("kind", sa.String(), nullable=False),
        sa.Column("serial", sa.LargeBinary(), nullable=False),
        sa.Column("application", sa.String(), nullable=True),
        sa.Column("social_card_number", sa.String(), nullable=True),
        sa.Column("rider_class", sa.String(), nullable=True),
        sa.Column("terminal_number", sa.LargeBinary(), nullable=True),
        sa.Column("valid_from", sa.Date(), nullable=False),
        sa.Column("valid_to", sa.Date(), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("started_by", sa.String(), nullable=False),
        sa.Column("started_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("finished_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("last_break", sa.String(), nullable=False),
        sa.PrimaryKeyConstraint("chip_serial", name=op.f("pk_production")),
        sa.UniqueConstraint("serial", name=op.f("uq_production_serial")),
        schema="issuing",
    )
    op.create_index(op.f("ix_production_application"), "production", ["application"], unique=False, schema="issuing")
    grant("production", "SELECT, INSERT, UPDATE", schema="issuing")
