"""Blank cards and SAMs; the log only grows."""

from alembic import op
from sqlalchemy import Table

from backoffice.migration import grant
from issuing.stock import tables

revision = "stock_0001"
down_revision = None
branch_labels = ("stock",)
depends_on = None

_RIGHTS = {
    tables.BlankRow: "SELECT, INSERT, UPDATE",
    tables.StockMoveRow: "SELECT, INSERT",
}


def upgrade() -> None:
    for row, rights in _RIGHTS.items():
        table = row.__table__
        assert isinstance(table, Table)
        table.create(op.get_bind())
        grant(table.name, rights, schema="issuing")
