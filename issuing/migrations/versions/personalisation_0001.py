"""Production: chips between stock and register."""

from alembic import op
from sqlalchemy import Table

from backoffice.migration import grant
from issuing.personalisation import tables

revision = "personalisation_0001"
down_revision = None
branch_labels = ("personalisation",)
depends_on = None

_RIGHTS = {
    tables.ProductionRow: "SELECT, INSERT, UPDATE",
}


def upgrade() -> None:
    for row, rights in _RIGHTS.items():
        table = row.__table__
        assert isinstance(table, Table)
        table.create(op.get_bind())
        grant(table.name, rights, schema="issuing")
