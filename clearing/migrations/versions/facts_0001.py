"""Clearing's copy of the feed. The deny list's changes only grow: old taps are judged by old versions."""

from alembic import op
from sqlalchemy import Table

from backoffice.migration import grant
from clearing.facts import tables

revision = "facts_0001"
down_revision = None
branch_labels = ("facts",)
depends_on = None

_RIGHTS = {
    tables.FeedPositionRow: "SELECT, INSERT, UPDATE",
    tables.CardFactRow: "SELECT, INSERT, UPDATE",
    tables.InsuredFactRow: "SELECT, INSERT, UPDATE",
    tables.SamFactRow: "SELECT, INSERT, UPDATE",
    tables.DenyChangeRow: "SELECT, INSERT",
}


def upgrade() -> None:
    for row, rights in _RIGHTS.items():
        table = row.__table__
        assert isinstance(table, Table)
        table.create(op.get_bind())
        grant(table.name, rights, schema="clearing")
