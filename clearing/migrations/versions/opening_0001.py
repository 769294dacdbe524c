"""Opening balances of a running city."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

from backoffice.migration import grant

revision = "opening_0001"
down_revision = None
branch_labels = ("opening",)
depends_on = None


def upgrade() -> None:
    op.create_table(
        "opening",
        sa.Column("number", sa.String(), nullable=False),
        sa.Column("card_file", sa.LargeBinary(), nullable=False),
        sa.Column("account_file", sa.LargeBinary(), nullable=False),
        sa.Column("cards", sa.Integer(), nullable=False),
        sa.Column("balance_minor", sa.BigInteger(), nullable=False),
        sa.Column("deposit_minor", sa.BigInteger(), nullable=False),
        sa.Column("products", JSONB(), nullable=False),
        sa.Column("sheet", JSONB(), nullable=False),
        sa.Column("state", sa.String(), nullable=False),
        sa.Column("proposed_by", sa.String(), nullable=False),
        sa.Column("proposed_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("decided_by", sa.String(), nullable=True),
        sa.Column("decided_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("note", sa.String(), nullable=False),
        sa.Column("business_day", sa.Date(), nullable=True),
        sa.CheckConstraint(
            "state NOT IN ('posted', 'refused') OR decided_by <> proposed_by", name=op.f("ck_opening_two_persons")
        ),
        sa.CheckConstraint(
            "(state = 'proposed') = (decided_by IS NULL) AND (state = 'proposed') = (decided_at IS NULL)",
            name=op.f("ck_opening_decided_by_somebody"),
        ),
        sa.CheckConstraint("(state = 'posted') = (business_day IS NOT NULL)", name=op.f("ck_opening_posted_on_a_day")),
        sa.PrimaryKeyConstraint("number", name=op.f("pk_opening")),
        schema="clearing",
    )
    op.create_index(
        "opening_one_proposed",
        "opening",
        ["state"],
        unique=True,
        postgresql_where=sa.text("state = 'proposed'"),
        schema="clearing",
    )
    grant("opening", "SELECT, INSERT, UPDATE", schema="clearing")
