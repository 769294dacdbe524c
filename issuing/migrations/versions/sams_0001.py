"""The SAM register."""

from alembic import op
from sqlalchemy import Table

from backoffice.migration import grant
from issuing.sams import tables

revision = "sams_0001"
down_revision = None
branch_labels = ("sams",)
depends_on = None

_RIGHTS = {
    tables.SamRow: "SELECT, INSERT, UPDATE",
}


def upgrade() -> None:
    tables.sam_number_sequence.create(op.get_bind())
    for row, rights in _RIGHTS.items():
        table = row.__table__
        assert isinstance(table, Table)
        table.create(op.get_bind())
        grant(table.name, rights, schema="issuing")
