"""What was recorded since a time is found without reading all that was before."""

from alembic import op

revision = "ledger_0004"
down_revision = "ledger_0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_index(
        "ledger_transfer_recorded",
        "ledger_transfer",
        ["recorded_at"],
        schema="clearing",
        postgresql_using="brin",
    )
