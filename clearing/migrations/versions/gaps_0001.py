"""Gaps that are followed."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

from backoffice.migration import grant

revision = "gaps_0001"
down_revision = None
branch_labels = ("gaps",)
depends_on = None


def upgrade() -> None:
    op.create_table(
        "gap",
        sa.Column("number", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("kind", sa.String(), nullable=False),
        sa.Column("subject", sa.String(), nullable=False),
        sa.Column("first", sa.BigInteger(), nullable=False),
        sa.Column("last", sa.BigInteger(), nullable=False),
        sa.Column("window", sa.Integer(), nullable=False),
        sa.Column("owner", sa.String(), nullable=False),
        sa.Column("opened_on", sa.Date(), nullable=False),
        sa.Column("deadline", sa.Date(), nullable=False),
        sa.Column("missing", JSONB(), nullable=False),
        sa.Column("state", sa.String(), nullable=False),
        sa.Column("ended_on", sa.Date(), nullable=True),
        sa.CheckConstraint("first <= last", name=op.f("ck_gap_first_before_last")),
        sa.CheckConstraint("(state = 'open') = (ended_on IS NULL)", name=op.f("ck_gap_ended_has_a_day")),
        sa.CheckConstraint("(state = 'came') = (missing = '[]')", name=op.f("ck_gap_came_misses_nothing")),
        sa.PrimaryKeyConstraint("number", name=op.f("pk_gap")),
        sa.UniqueConstraint(
            "kind", "subject", "first", "last", "window", name=op.f("uq_gap_kind_subject_first_last_window")
        ),
        schema="clearing",
    )
    op.create_index("gap_by_state", "gap", ["state", "deadline"], schema="clearing")
    grant("gap", "SELECT, INSERT, UPDATE (missing, state, ended_on)", schema="clearing")
