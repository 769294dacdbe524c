"""Medical visits. Settlements, cancellations and fee lines only grow; challenges, messages and the year's totals move."""

from alembic import op
from sqlalchemy import Table

from backoffice.migration import grant
from clearing.benefits import tables

revision = "benefits_0001"
down_revision = None
branch_labels = ("benefits",)
depends_on = None

_RIGHTS = {
    tables.InstitutionRow: "SELECT, INSERT",
    tables.ChallengeRow: "SELECT, INSERT, UPDATE (used_by, person, proved_at)",
    tables.MessageRow: "SELECT, INSERT, UPDATE (answer, reversed)",
    tables.VisitRow: "SELECT, INSERT",
    tables.FeeLineRow: "SELECT, INSERT",
    tables.SettlementRow: "SELECT, INSERT",
    tables.CancellationRow: "SELECT, INSERT",
    tables.YearRow: "SELECT, INSERT, UPDATE (in_scope, deductible, fund, top_up, stays)",
}


def upgrade() -> None:
    for row, rights in _RIGHTS.items():
        table = row.__table__
        assert isinstance(table, Table)
        table.create(op.get_bind())
        grant(table.name, rights, schema="clearing")
