"""The population register; a version once written stays."""

import sqlalchemy as sa
from alembic import op

from backoffice.migration import grant

revision = "register_0001"
down_revision = None
branch_labels = ("register",)
depends_on = None


def upgrade() -> None:
    op.create_table(
        "register_file",
        sa.Column("content_hash", sa.String(), nullable=False),
        sa.Column("rows", sa.Integer(), nullable=False),
        sa.Column("taken_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("taken_by", sa.String(), nullable=False),
        sa.PrimaryKeyConstraint("content_hash", name=op.f("pk_register_file")),
        schema="issuing",
    )
    op.create_table(
        "person",
        sa.Column("person", sa.String(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("sealed", sa.LargeBinary(), nullable=False),
        sa.Column("content_token", sa.String(), nullable=False),
        sa.Column("file", sa.String(), nullable=False),
        sa.Column("recorded_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("person", "version", name=op.f("pk_person")),
        schema="issuing",
    )
    grant("register_file", "SELECT, INSERT", schema="issuing")
    grant("person", "SELECT, INSERT", schema="issuing")
