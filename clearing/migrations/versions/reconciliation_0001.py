"""Settlement through banks: books of closed windows, payment files, what banks say, and what it was matched with."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

from backoffice.migration import grant

revision = "reconciliation_0001"
down_revision = None
branch_labels = ("reconciliation",)
depends_on = None

# What the service may do with each; nothing is ever deleted, and what moved money is never changed.
_RIGHTS = {
    "settlement_book": "SELECT, INSERT, UPDATE",
    "settlement_leg": "SELECT, INSERT",
    "payment_file": "SELECT, INSERT, UPDATE",
    "payment": "SELECT, INSERT",
    "payment_failure": "SELECT, INSERT, UPDATE (approved_by, approved_at)",
    "bank_report": "SELECT, INSERT, UPDATE",
    "bank_entry": "SELECT, INSERT, UPDATE (statement)",
    "bank_hand_match": "SELECT, INSERT, UPDATE",
    "bank_allocation": "SELECT, INSERT",
    "bank_standing": "SELECT, INSERT, UPDATE",
}


def upgrade() -> None:
    op.create_table(
        "settlement_book",
        sa.Column("window", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("book", sa.String(), nullable=False),
        sa.Column("state", sa.String(), nullable=False),
        sa.Column("netting", sa.String(), nullable=False),
        sa.Column("own_minor", sa.BigInteger(), nullable=False),
        sa.Column("settlement_date", sa.Date(), nullable=False),
        sa.Column("started_by", sa.String(), nullable=False),
        sa.Column("started_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("abort_proposed_by", sa.String(), nullable=True),
        sa.Column("aborted_by", sa.String(), nullable=True),
        sa.Column("ended_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("carried_into", sa.Integer(), nullable=True),
        sa.CheckConstraint(
            "(state IN ('settled', 'aborted')) = (ended_at IS NOT NULL)",
            name=op.f("ck_settlement_book_ended_has_a_time"),
        ),
        sa.CheckConstraint(
            "aborted_by IS NULL OR aborted_by <> abort_proposed_by", name=op.f("ck_settlement_book_two_persons")
        ),
        sa.PrimaryKeyConstraint("window", "book", name=op.f("pk_settlement_book")),
        schema="clearing",
    )
    op.create_table(
        "settlement_leg",
        sa.Column("window", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("book", sa.String(), nullable=False),
        sa.Column("participant", sa.String(), nullable=False),
        sa.Column("direction", sa.String(), nullable=False),
        sa.Column("amount_minor", sa.BigInteger(), nullable=False),
        sa.Column("beyond_cap_minor", sa.BigInteger(), nullable=False),
        sa.CheckConstraint("amount_minor > 0", name=op.f("ck_settlement_leg_amount_above_zero")),
        sa.CheckConstraint(
            "beyond_cap_minor BETWEEN 0 AND amount_minor", name=op.f("ck_settlement_leg_cap_within_amount")
        ),
        sa.CheckConstraint("direction IN ('in', 'out')", name=op.f("ck_settlement_leg_direction_known")),
        sa.ForeignKeyConstraint(
            ["window", "book"],
            ["clearing.settlement_book.window", "clearing.settlement_book.book"],
            name=op.f("fk_settlement_leg_window_book"),
        ),
        sa.PrimaryKeyConstraint("window", "book", "participant", "direction", name=op.f("pk_settlement_leg")),
        schema="clearing",
    )
    op.create_table(
        "payment_file",
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("window", sa.Integer(), nullable=False),
        sa.Column("book", sa.String(), nullable=False),
        sa.Column("state", sa.String(), nullable=False),
        sa.Column("content", sa.LargeBinary(), nullable=False),
        sa.Column("total_minor", sa.BigInteger(), nullable=False),
        sa.Column("execute_on", sa.Date(), nullable=False),
        sa.Column("drafted_by", sa.String(), nullable=False),
        sa.Column("drafted_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("released_by", sa.String(), nullable=True),
        sa.Column("released_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint(
            "(state = 'released') = (released_by IS NOT NULL)", name=op.f("ck_payment_file_released_by_somebody")
        ),
        sa.CheckConstraint(
            "released_by IS NULL OR released_by <> drafted_by", name=op.f("ck_payment_file_two_persons")
        ),
        sa.ForeignKeyConstraint(
            ["window", "book"],
            ["clearing.settlement_book.window", "clearing.settlement_book.book"],
            name=op.f("fk_payment_file_window_book"),
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_payment_file")),
        schema="clearing",
    )
    op.create_index("payment_file_by_book", "payment_file", ["window", "book"], schema="clearing")
    op.create_table(
        "payment",
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("file", sa.String(), nullable=False),
        sa.Column("participant", sa.String(), nullable=False),
        sa.Column("amount_minor", sa.BigInteger(), nullable=False),
        sa.Column("account", sa.String(), nullable=False),
        sa.CheckConstraint("amount_minor > 0", name=op.f("ck_payment_amount_above_zero")),
        sa.ForeignKeyConstraint(["file"], ["clearing.payment_file.id"], name=op.f("fk_payment_file")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_payment")),
        schema="clearing",
    )
    op.create_index("payment_by_file", "payment", ["file"], schema="clearing")
    op.create_table(
        "payment_failure",
        sa.Column("payment", sa.String(), nullable=False),
        sa.Column("reason", sa.String(), nullable=False),
        sa.Column("proposed_by", sa.String(), nullable=False),
        sa.Column("proposed_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("approved_by", sa.String(), nullable=True),
        sa.Column("approved_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint(
            "approved_by IS NULL OR approved_by <> proposed_by", name=op.f("ck_payment_failure_two_persons")
        ),
        sa.ForeignKeyConstraint(["payment"], ["clearing.payment.id"], name=op.f("fk_payment_failure_payment")),
        sa.PrimaryKeyConstraint("payment", name=op.f("pk_payment_failure")),
        schema="clearing",
    )
    op.create_table(
        "bank_report",
        sa.Column("account", sa.String(), nullable=False),
        sa.Column("kind", sa.String(), nullable=False),
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("number", sa.BigInteger(), nullable=False),
        sa.Column("book", sa.String(), nullable=False),
        sa.Column("digest", sa.LargeBinary(), nullable=False),
        sa.Column("content", sa.LargeBinary(), nullable=False),
        sa.Column("closed_on", sa.Date(), nullable=True),
        sa.Column("opening_minor", sa.BigInteger(), nullable=True),
        sa.Column("closing_minor", sa.BigInteger(), nullable=True),
        sa.Column("state", sa.String(), nullable=False),
        sa.Column("faults", postgresql.JSONB(), nullable=False),
        sa.Column("taken_by", sa.String(), nullable=False),
        sa.Column("taken_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint("state IN ('accepted', 'wrong')", name=op.f("ck_bank_report_state_known")),
        sa.PrimaryKeyConstraint("account", "kind", "id", name=op.f("pk_bank_report")),
        schema="clearing",
    )
    op.create_index("bank_report_by_book", "bank_report", ["book", "number"], schema="clearing")
    op.create_table(
        "bank_entry",
        sa.Column("account", sa.String(), nullable=False),
        sa.Column("reference", sa.String(), nullable=False),
        sa.Column("book", sa.String(), nullable=False),
        sa.Column("amount_minor", sa.BigInteger(), nullable=False),
        sa.Column("booked_on", sa.Date(), nullable=False),
        sa.Column("batch", sa.String(), nullable=False),
        sa.Column("details", postgresql.JSONB(), nullable=False),
        sa.Column("advice", sa.String(), nullable=True),
        sa.Column("statement", sa.String(), nullable=True),
        sa.CheckConstraint("amount_minor <> 0", name=op.f("ck_bank_entry_amount_not_zero")),
        sa.CheckConstraint("advice IS NOT NULL OR statement IS NOT NULL", name=op.f("ck_bank_entry_somebody_said_it")),
        sa.PrimaryKeyConstraint("account", "reference", name=op.f("pk_bank_entry")),
        schema="clearing",
    )
    op.create_index("bank_entry_by_book", "bank_entry", ["book", "booked_on"], schema="clearing")
    op.create_table(
        "bank_hand_match",
        sa.Column("account", sa.String(), nullable=False),
        sa.Column("reference", sa.String(), nullable=False),
        sa.Column("targets", postgresql.JSONB(), nullable=False),
        sa.Column("state", sa.String(), nullable=False),
        sa.Column("proposed_by", sa.String(), nullable=False),
        sa.Column("proposed_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("approved_by", sa.String(), nullable=True),
        sa.CheckConstraint(
            "approved_by IS NULL OR approved_by <> proposed_by", name=op.f("ck_bank_hand_match_two_persons")
        ),
        sa.CheckConstraint(
            "(state = 'approved') = (approved_by IS NOT NULL)", name=op.f("ck_bank_hand_match_approved_by_somebody")
        ),
        sa.ForeignKeyConstraint(
            ["account", "reference"],
            ["clearing.bank_entry.account", "clearing.bank_entry.reference"],
            name=op.f("fk_bank_hand_match_account_reference"),
        ),
        sa.PrimaryKeyConstraint("account", "reference", name=op.f("pk_bank_hand_match")),
        schema="clearing",
    )
    op.create_table(
        "bank_allocation",
        sa.Column("account", sa.String(), nullable=False),
        sa.Column("reference", sa.String(), nullable=False),
        sa.Column("number", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("kind", sa.String(), nullable=False),
        sa.Column("target", sa.String(), nullable=False),
        sa.Column("book", sa.String(), nullable=False),
        sa.Column("amount_minor", sa.BigInteger(), nullable=False),
        sa.Column("rule", sa.String(), nullable=False),
        sa.Column("transfer", sa.String(), nullable=False),
        sa.Column("made_by", sa.String(), nullable=False),
        sa.Column("made_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint("amount_minor <> 0", name=op.f("ck_bank_allocation_amount_not_zero")),
        sa.ForeignKeyConstraint(
            ["account", "reference"],
            ["clearing.bank_entry.account", "clearing.bank_entry.reference"],
            name=op.f("fk_bank_allocation_account_reference"),
        ),
        sa.PrimaryKeyConstraint("account", "reference", "number", name=op.f("pk_bank_allocation")),
        schema="clearing",
    )
    op.create_index("bank_allocation_by_target", "bank_allocation", ["kind", "target"], schema="clearing")
    op.create_table(
        "bank_standing",
        sa.Column("book", sa.String(), nullable=False),
        sa.Column("state", sa.String(), nullable=False),
        sa.Column("stopped_by_report", sa.String(), nullable=True),
        sa.Column("stopped_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("lift_proposed_by", sa.String(), nullable=True),
        sa.CheckConstraint(
            "(state = 'running') = (stopped_by_report IS NULL)", name=op.f("ck_bank_standing_stopped_by_something")
        ),
        sa.PrimaryKeyConstraint("book", name=op.f("pk_bank_standing")),
        schema="clearing",
    )
    for table, rights in _RIGHTS.items():
        grant(table, rights, schema="clearing")
