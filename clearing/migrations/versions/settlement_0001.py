"""Windows, decisions and settled transactions."""

from alembic import op
from sqlalchemy import Table

from backoffice.migration import grant
from clearing.settlement import tables

revision = "settlement_0001"
down_revision = None
branch_labels = ("settlement",)
depends_on = None

_RIGHTS = {
    tables.WindowRow: "SELECT, INSERT, UPDATE",
    tables.DecisionRow: "SELECT, INSERT",
    tables.SettledRow: "SELECT, INSERT",
}


def upgrade() -> None:
    for row, rights in _RIGHTS.items():
        table = row.__table__
        assert isinstance(table, Table)
        table.create(op.get_bind())
        grant(table.name, rights, schema="clearing")
