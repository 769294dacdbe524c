"""The device register."""

import sqlalchemy as sa
from alembic import op

from backoffice.migration import grant

revision = "devices_0001"
down_revision = None
branch_labels = ("devices",)
depends_on = None


def upgrade() -> None:
    op.create_table(
        "device",
        sa.Column("device", sa.String(), nullable=False),
        sa.Column("kind", sa.String(), nullable=False),
        sa.Column("operator", sa.String(), nullable=False),
        sa.Column("line", sa.String(), nullable=False),
        sa.Column("place", sa.String(), nullable=False),
        sa.Column("state", sa.String(), nullable=False),
        sa.Column("code_hash", sa.LargeBinary(), nullable=False),
        sa.Column("public_key", sa.LargeBinary(), nullable=True),
        sa.Column("sam_serial", sa.LargeBinary(), nullable=True),
        sa.Column("terminal_number", sa.LargeBinary(), nullable=True),
        sa.Column("invited_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("enrolled_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("lost_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint("(state = 'lost') = (lost_at IS NOT NULL)", name=op.f("ck_device_lost_since")),
        sa.CheckConstraint(
            "state = 'invited' OR (public_key IS NOT NULL AND sam_serial IS NOT NULL AND terminal_number IS NOT NULL)",
            name=op.f("ck_device_enrolled_has_key_and_sam"),
        ),
        sa.CheckConstraint("octet_length(public_key) = 32", name=op.f("ck_device_public_key_length")),
        sa.PrimaryKeyConstraint("device", name=op.f("pk_device")),
        schema="clearing",
    )
    grant("device", "SELECT, INSERT, UPDATE", schema="clearing")
