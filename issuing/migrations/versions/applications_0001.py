"""Applications for cards."""

from alembic import op
from sqlalchemy import Table

from backoffice.migration import grant
from issuing.applications import tables

revision = "applications_0001"
down_revision = None
branch_labels = ("applications",)
depends_on = None

_RIGHTS = {
    tables.ApplicationRow: "SELECT, INSERT, UPDATE",
}


def upgrade() -> None:
    for row, rights in _RIGHTS.items():
        table = row.__table__
        assert isinstance(table, Table)
        table.create(op.get_bind())
        grant(table.name, rights, schema="issuing")
