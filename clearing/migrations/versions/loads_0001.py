"""Loads: of an attempt only state and proof change; what was given out stays."""

from alembic import op
from sqlalchemy import Table

from backoffice.migration import grant
from clearing.loads import tables

revision = "loads_0001"
down_revision = None
branch_labels = ("loads",)
depends_on = None

_RIGHTS = {
    tables.LoadRow: "SELECT, INSERT, UPDATE (state, executed_random, tac)",
    tables.AuthorisationRow: "SELECT, INSERT",
}


def upgrade() -> None:
    for row, rights in _RIGHTS.items():
        table = row.__table__
        assert isinstance(table, Table)
        table.create(op.get_bind())
        grant(table.name, rights, schema="clearing")
