"""The key log; it only grows."""

from alembic import op
from sqlalchemy import Table

from backoffice.migration import grant
from issuing.keys import tables

revision = "keys_0001"
down_revision = None
branch_labels = ("keys",)
depends_on = None

_RIGHTS = {
    tables.KeyLogRow: "SELECT, INSERT",
}


def upgrade() -> None:
    for row, rights in _RIGHTS.items():
        table = row.__table__
        assert isinstance(table, Table)
        table.create(op.get_bind())
        grant(table.name, rights, schema="issuing")
