"""The outbox; what was said stays said."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

from backoffice.migration import grant

revision = "feed_0001"
down_revision = None
branch_labels = ("feed",)
depends_on = None


def upgrade() -> None:
    op.create_table(
        "outbox",
        sa.Column("number", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("fact", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.PrimaryKeyConstraint("number", name=op.f("pk_outbox")),
        schema="issuing",
    )
    op.create_table(
        "outbox_head",
        sa.Column("only", sa.Boolean(), nullable=False),
        sa.Column("last", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("only", name=op.f("pk_outbox_head")),
        schema="issuing",
    )
    grant("outbox", "SELECT, INSERT", schema="issuing")
    grant("outbox_head", "SELECT, UPDATE", schema="issuing")
    op.execute('INSERT INTO issuing.outbox_head ("only", last) VALUES (true, 0)')
