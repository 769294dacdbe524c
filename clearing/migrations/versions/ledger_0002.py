"""A transfer's accounts are checked under their locks, set by set, and no longer by the database row by row."""

from alembic import op

revision = "ledger_0002"
down_revision = "ledger_0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.drop_constraint("fk_ledger_transfer_book_credit", "ledger_transfer", schema="clearing")
    op.drop_constraint("fk_ledger_transfer_book_debit", "ledger_transfer", schema="clearing")
