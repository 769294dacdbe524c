"""An agent's limit may change: two persons publish it with the participants."""

from backoffice.migration import grant

revision = "ledger_0005"
down_revision = "ledger_0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    grant("ledger_account", "UPDATE (limit_minor)", schema="clearing")
