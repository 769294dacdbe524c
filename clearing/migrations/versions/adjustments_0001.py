"""Adjustments between participants."""

import sqlalchemy as sa
from alembic import op

from backoffice.migration import grant

revision = "adjustments_0001"
down_revision = None
branch_labels = ("adjustments",)
depends_on = None

_TEXTS = ("number", "book", "giver", "receiver", "debit", "credit")


def upgrade() -> None:
    op.create_table(
        "adjustment",
        sa.Column("id", sa.String(), nullable=False),
        *(sa.Column(name, sa.String(), nullable=False) for name in _TEXTS),
        sa.Column("amount_minor", sa.BigInteger(), nullable=False),
        *(
            sa.Column(name, sa.String(), nullable=False)
            for name in ("reason", "text", "corrects", "corrected", "state")
        ),
        sa.Column("proposed_by", sa.String(), nullable=False),
        sa.Column("proposed_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("decided_by", sa.String(), nullable=True),
        sa.Column("decided_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("note", sa.String(), nullable=False),
        sa.Column("business_day", sa.Date(), nullable=True),
        sa.CheckConstraint("amount_minor > 0", name=op.f("ck_adjustment_amount_above_zero")),
        sa.CheckConstraint(
            "state NOT IN ('posted', 'refused') OR decided_by <> proposed_by", name=op.f("ck_adjustment_two_persons")
        ),
        sa.CheckConstraint(
            "(state = 'proposed') = (decided_by IS NULL) AND (state = 'proposed') = (decided_at IS NULL)",
            name=op.f("ck_adjustment_decided_by_somebody"),
        ),
        sa.CheckConstraint(
            "(state = 'posted') = (business_day IS NOT NULL)", name=op.f("ck_adjustment_posted_on_a_day")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_adjustment")),
        schema="clearing",
    )
    op.create_index("adjustment_by_state", "adjustment", ["state", "proposed_at"], schema="clearing")
    op.create_index(
        "adjustment_taken_back_once",
        "adjustment",
        ["corrected"],
        unique=True,
        postgresql_where=sa.text("reason = 'reversal' AND state IN ('proposed', 'posted')"),
        schema="clearing",
    )
    grant("adjustment", "SELECT, INSERT, UPDATE", schema="clearing")
