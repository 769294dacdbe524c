"""Resumable uploads."""

import sqlalchemy as sa
from alembic import op

from backoffice.migration import grant

revision = "uploads_0001"
down_revision = None
branch_labels = ("uploads",)
depends_on = None


def upgrade() -> None:
    op.create_table(
        "upload",
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("owner", sa.String(), nullable=False),
        sa.Column("by", sa.String(), nullable=False),
        sa.Column("target", sa.String(), nullable=False),
        sa.Column("layout", sa.String(), nullable=False),
        sa.Column("length", sa.BigInteger(), nullable=False),
        sa.Column("digest", sa.LargeBinary(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("ended_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("status", sa.Integer(), nullable=True),
        sa.Column("answer", sa.String(), nullable=True),
        sa.CheckConstraint("octet_length(digest) = 32", name=op.f("ck_upload_digest_length")),
        sa.CheckConstraint("(ended_at IS NULL) = (status IS NULL)", name=op.f("ck_upload_ended_has_a_status")),
        sa.CheckConstraint("(ended_at IS NULL) = (answer IS NULL)", name=op.f("ck_upload_ended_has_an_answer")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_upload")),
        schema="clearing",
    )
    op.create_index("upload_by_owner", "upload", ["owner", "ended_at"], schema="clearing")
    grant("upload", "SELECT, INSERT, UPDATE (ended_at, status, answer), DELETE", schema="clearing")
