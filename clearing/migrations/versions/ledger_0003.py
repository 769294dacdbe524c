"""A pending transfer that no card can execute may expire, by a transfer of its own."""

import sqlalchemy as sa
from alembic import op

revision = "ledger_0003"
down_revision = "ledger_0002"
branch_labels = None
depends_on = None

_CHECKS = {
    "settles_what_it_names": "(phase IN ('post', 'void', 'expire')) = (pending_id IS NOT NULL)",
    "phase_known": "phase IN ('single', 'pending', 'post', 'void', 'expire')",
}


def upgrade() -> None:
    op.add_column("ledger_transfer", sa.Column("expires_on", sa.Date(), nullable=True), schema="clearing")
    for name, condition in _CHECKS.items():
        op.drop_constraint(op.f(f"ck_ledger_transfer_{name}"), "ledger_transfer", schema="clearing")
        op.create_check_constraint(op.f(f"ck_ledger_transfer_{name}"), "ledger_transfer", condition, schema="clearing")
    op.create_check_constraint(
        op.f("ck_ledger_transfer_only_pending_expires"),
        "ledger_transfer",
        "expires_on IS NULL OR phase = 'pending'",
        schema="clearing",
    )
    op.create_index(
        "ledger_transfer_expiring",
        "ledger_transfer",
        ["expires_on"],
        schema="clearing",
        postgresql_where=sa.text("expires_on IS NOT NULL"),
    )
