"""The SAM register."""

import sqlalchemy as sa
from alembic import op

from backoffice.migration import grant

revision = "sams_0001"
down_revision = None
branch_labels = ("sams",)
depends_on = None


def upgrade() -> None:
    op.execute("CREATE SEQUENCE issuing.sam_number MINVALUE 1")
    op.create_table(
        "sam",
        sa.Column("sam_serial", sa.LargeBinary(), nullable=False),
        sa.Column("chip_serial", sa.LargeBinary(), nullable=False),
        sa.Column("terminal_number", sa.LargeBinary(), nullable=False),
        sa.Column("kind", sa.String(), nullable=False),
        sa.Column("issuer", sa.LargeBinary(), nullable=False),
        sa.Column("key_version", sa.Integer(), nullable=False),
        sa.Column("device", sa.String(), nullable=True),
        sa.Column("operator", sa.String(), nullable=True),
        sa.Column("state", sa.String(), nullable=False),
        sa.Column("changed_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("sam_serial", name=op.f("pk_sam")),
        sa.UniqueConstraint("chip_serial", name=op.f("uq_sam_chip_serial")),
        sa.UniqueConstraint("device", name=op.f("uq_sam_device")),
        sa.UniqueConstraint("terminal_number", name=op.f("uq_sam_terminal_number")),
        schema="issuing",
    )
    grant("sam", "SELECT, INSERT, UPDATE", schema="issuing")
