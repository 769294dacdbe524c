"""The card register."""

from alembic import op
from sqlalchemy import Table

from backoffice.migration import grant
from issuing.card_register import tables

revision = "card_register_0001"
down_revision = None
branch_labels = ("card_register",)
depends_on = None

_RIGHTS = {
    tables.CardRow: "SELECT, INSERT, UPDATE",
}


def upgrade() -> None:
    tables.card_number_sequence.create(op.get_bind())
    for row, rights in _RIGHTS.items():
        table = row.__table__
        assert isinstance(table, Table)
        table.create(op.get_bind())
        grant(table.name, rights, schema="issuing")
