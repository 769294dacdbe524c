"""The population register; a version once written stays."""

from alembic import op
from sqlalchemy import Table

from backoffice.migration import grant
from issuing.register import tables

revision = "register_0001"
down_revision = None
branch_labels = ("register",)
depends_on = None

_RIGHTS = {
    tables.RegisterFileRow: "SELECT, INSERT",
    tables.PersonRow: "SELECT, INSERT",
}


def upgrade() -> None:
    for row, rights in _RIGHTS.items():
        table = row.__table__
        assert isinstance(table, Table)
        table.create(op.get_bind())
        grant(table.name, rights, schema="issuing")
