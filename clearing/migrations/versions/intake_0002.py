"""Raw batches lie in files, records are no rows any more; loads that records name are."""

import sqlalchemy as sa
from alembic import op

from backoffice.migration import grant

revision = "intake_0002"
down_revision = "intake_0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    if op.get_bind().scalar(sa.text("SELECT EXISTS (SELECT FROM clearing.batch)")):
        raise RuntimeError(
            "clearing.batch has batches of a version that kept them in the database (before 0.1 was released);"
            " start with an empty database and let the terminals upload again"
        )
    op.drop_table("record", schema="clearing")
    for table in ("batch", "conflict"):
        op.drop_column(table, "raw", schema="clearing")
        op.add_column(table, sa.Column("stored_as", sa.LargeBinary(), nullable=False), schema="clearing")
    op.create_index("batch_by_window", "batch", ["window"], unique=False, schema="clearing")
    op.create_index("batch_by_journal", "batch", ["device", "first_sequence"], unique=False, schema="clearing")
    op.create_table(
        "load_record",
        sa.Column("device", sa.String(), nullable=False),
        sa.Column("journal_sequence", sa.BigInteger(), nullable=False),
        sa.Column("issuer", sa.LargeBinary(), nullable=False),
        sa.Column("serial", sa.LargeBinary(), nullable=False),
        sa.Column("purse", sa.Integer(), nullable=False),
        sa.Column("online_sequence", sa.Integer(), nullable=False),
        sa.Column("tac", sa.LargeBinary(), nullable=True),
        sa.Column("window", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("device", "journal_sequence", name=op.f("pk_load_record")),
        schema="clearing",
    )
    op.create_index("load_record_by_window", "load_record", ["window"], unique=False, schema="clearing")
    grant("load_record", "SELECT, INSERT", schema="clearing")
