"""The ledger. Transfers and links only grow; of an account only the counters move."""

from alembic import op
from sqlalchemy import Table

from backoffice.migration import grant
from clearing.ledger import tables

revision = "ledger_0001"
down_revision = None
branch_labels = ("ledger",)
depends_on = None

_COUNTERS = "debits_posted, credits_posted, debits_pending, credits_pending"
_RIGHTS = {
    tables.AccountRow: f"SELECT, INSERT, UPDATE ({_COUNTERS})",
    tables.TransferRow: "SELECT, INSERT",
    tables.LinkRow: "SELECT, INSERT",
}


def upgrade() -> None:
    for row, rights in _RIGHTS.items():
        table = row.__table__
        assert isinstance(table, Table)
        table.create(op.get_bind())
        grant(table.name, rights, schema="clearing")
