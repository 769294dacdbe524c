"""Windows are frozen before they are computed; exceptions are rows, everything else of a record lies in files."""

import sqlalchemy as sa
from alembic import op

from backoffice.migration import grant

revision = "settlement_0003"
down_revision = "settlement_0002"
branch_labels = None
depends_on = None

_WINDOW = "clearing.settlement_window"
_FROZEN = "ck_settlement_window_frozen_when_proposed"


def upgrade() -> None:
    op.drop_table("record_decision", schema="clearing")
    op.drop_table("settled_transaction", schema="clearing")
    op.execute(f"ALTER TABLE {_WINDOW} DROP CONSTRAINT {_FROZEN}")
    op.execute(
        f"ALTER TABLE {_WINDOW} ADD CONSTRAINT {_FROZEN} CHECK ((state IN ('frozen', 'proposed', 'closed'))"
        " = (proposed_by IS NOT NULL AND manifest IS NOT NULL))"
    )
    op.execute(
        f"ALTER TABLE {_WINDOW} ADD CONSTRAINT ck_settlement_window_result_when_proposed"
        " CHECK ((state IN ('proposed', 'closed')) = (result IS NOT NULL))"
    )
    op.create_table(
        "record_exception",
        sa.Column("window", sa.Integer(), nullable=False),
        sa.Column("device", sa.String(), nullable=False),
        sa.Column("journal_sequence", sa.BigInteger(), nullable=False),
        sa.Column("transaction", sa.String(), nullable=False),
        sa.Column("status", sa.String(), nullable=False),
        sa.Column("reason", sa.String(), nullable=False),
        sa.PrimaryKeyConstraint("window", "device", "journal_sequence", name=op.f("pk_record_exception")),
        schema="clearing",
    )
    op.create_index(
        "record_exception_by_transaction", "record_exception", ["transaction"], unique=False, schema="clearing"
    )
    op.create_table(
        "cleared_file",
        sa.Column("window", sa.Integer(), nullable=False),
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("sha256", sa.String(), nullable=False),
        sa.Column("rows", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("window", "name", name=op.f("pk_cleared_file")),
        schema="clearing",
    )
    op.create_table(
        "counter_file",
        sa.Column("window", sa.Integer(), nullable=False),
        sa.Column("bucket", sa.Integer(), nullable=False),
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("sha256", sa.String(), nullable=False),
        sa.Column("rows", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("window", "bucket", name=op.f("pk_counter_file")),
        schema="clearing",
    )
    for table in ("record_exception", "cleared_file", "counter_file"):
        grant(table, "SELECT, INSERT", schema="clearing")
