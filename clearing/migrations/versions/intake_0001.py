"""Batches, records and conflicts only grow; a gap is closed by a date."""

from alembic import op
from sqlalchemy import Table

from backoffice.migration import grant
from clearing.intake import tables

revision = "intake_0001"
down_revision = None
branch_labels = ("intake",)
depends_on = None

_RIGHTS = {
    tables.BatchRow: "SELECT, INSERT",
    tables.RecordRow: "SELECT, INSERT",
    tables.OpenGapRow: "SELECT, INSERT, UPDATE (closed_at)",
    tables.ConflictRow: "SELECT, INSERT",
}


def upgrade() -> None:
    for row, rights in _RIGHTS.items():
        table = row.__table__
        assert isinstance(table, Table)
        table.create(op.get_bind())
        grant(table.name, rights, schema="clearing")
