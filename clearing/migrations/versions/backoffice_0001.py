"""Staff accounts and the audit trail; the trail can only grow."""

from alembic import op

from backoffice.migration import grant
from clearing.base import staff_tables

revision = "backoffice_0001"
down_revision = None
branch_labels = ("backoffice",)
depends_on = None


def upgrade() -> None:
    for table in (staff_tables.staff, staff_tables.audit_trail):
        table.create(op.get_bind())
    grant("staff", "SELECT, INSERT, UPDATE", schema="clearing")
    grant("audit_trail", "SELECT, INSERT", schema="clearing")
