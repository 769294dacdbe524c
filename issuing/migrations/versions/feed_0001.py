"""The outbox; what was said stays said."""

from alembic import op
from sqlalchemy import Table

from backoffice.migration import grant
from issuing.feed import tables

revision = "feed_0001"
down_revision = None
branch_labels = ("feed",)
depends_on = None

_RIGHTS = {
    tables.OutboxRow: "SELECT, INSERT",
    tables.OutboxHeadRow: "SELECT, UPDATE",
}


def upgrade() -> None:
    for row, rights in _RIGHTS.items():
        table = row.__table__
        assert isinstance(table, Table)
        table.create(op.get_bind())
        grant(table.name, rights, schema="issuing")
    op.bulk_insert(tables.OutboxHeadRow.__table__, [{"only": True, "last": 0}])  # type: ignore[arg-type]
