"""Exchange with other cities: messages, packages, their transactions."""

import sqlalchemy as sa
from alembic import op

from backoffice.migration import grant

revision = "exchange_0001"
down_revision = None
branch_labels = ("exchange",)
depends_on = None


def upgrade() -> None:
    op.create_table(
        "exchange_message",
        sa.Column("direction", sa.String(), nullable=False),
        sa.Column("partner", sa.String(), nullable=False),
        sa.Column("kind", sa.String(), nullable=False),
        sa.Column("number", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("digest", sa.LargeBinary(), nullable=False),
        sa.Column("content", sa.LargeBinary(), nullable=False),
        sa.Column("signature", sa.LargeBinary(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint("direction IN ('in', 'out')", name=op.f("ck_exchange_message_direction_known")),
        sa.PrimaryKeyConstraint("direction", "partner", "kind", "number", name=op.f("pk_exchange_message")),
        schema="clearing",
    )
    op.create_table(
        "exchange_package",
        sa.Column("direction", sa.String(), nullable=False),
        sa.Column("partner", sa.String(), nullable=False),
        sa.Column("number", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("window", sa.Integer(), nullable=True),
        sa.Column("issuer", sa.LargeBinary(), nullable=False),
        sa.Column("cleared_on", sa.Date(), nullable=False),
        sa.Column("count", sa.Integer(), nullable=False),
        sa.Column("amount_minor", sa.BigInteger(), nullable=False),
        sa.Column("confirmed_minor", sa.BigInteger(), nullable=True),
        sa.Column("disputed", sa.Integer(), nullable=True),
        sa.Column("state", sa.String(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("sent_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("due", sa.Date(), nullable=True),
        sa.Column("reminders", sa.Integer(), nullable=False),
        sa.Column("answered_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint(
            "(direction = 'out') = (\"window\" IS NOT NULL)", name=op.f("ck_exchange_package_ours_are_of_a_window")
        ),
        sa.CheckConstraint(
            "(state IN ('disputed', 'settled')) = (answered_at IS NOT NULL)",
            name=op.f("ck_exchange_package_answered_has_a_time"),
        ),
        sa.PrimaryKeyConstraint("direction", "partner", "number", name=op.f("pk_exchange_package")),
        schema="clearing",
    )
    op.create_index("exchange_package_by_state", "exchange_package", ["state", "due"], schema="clearing")
    op.create_table(
        "exchange_item",
        sa.Column("direction", sa.String(), nullable=False),
        sa.Column("partner", sa.String(), nullable=False),
        sa.Column("package", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("number", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("issuer", sa.LargeBinary(), nullable=False),
        sa.Column("serial", sa.LargeBinary(), nullable=False),
        sa.Column("purse", sa.Integer(), nullable=False),
        sa.Column("sequence", sa.Integer(), nullable=False),
        sa.Column("content", sa.LargeBinary(), nullable=False),
        sa.Column("amount_minor", sa.BigInteger(), nullable=False),
        sa.Column("business_day", sa.Date(), nullable=False),
        sa.Column("operator", sa.String(), nullable=False),
        sa.Column("state", sa.String(), nullable=False),
        sa.Column("dispute", sa.Integer(), nullable=True),
        sa.Column("proven", sa.Boolean(), nullable=False),
        sa.Column("ruled_in", sa.BigInteger(), nullable=True),
        sa.CheckConstraint("amount_minor >= 0", name=op.f("ck_exchange_item_amount_not_below_zero")),
        sa.ForeignKeyConstraint(
            ["direction", "partner", "package"],
            [
                "clearing.exchange_package.direction",
                "clearing.exchange_package.partner",
                "clearing.exchange_package.number",
            ],
            name=op.f("fk_exchange_item_direction_partner_package"),
        ),
        sa.PrimaryKeyConstraint("direction", "partner", "package", "number", name=op.f("pk_exchange_item")),
        schema="clearing",
    )
    op.create_index(
        "exchange_item_by_transaction",
        "exchange_item",
        ["serial", "sequence", "issuer", "purse"],
        schema="clearing",
    )
    op.create_index(
        "exchange_item_paid_once",
        "exchange_item",
        ["issuer", "serial", "purse", "sequence"],
        unique=True,
        schema="clearing",
        postgresql_where=sa.text("proven"),
    )
    op.create_index(
        "exchange_item_in_dispute",
        "exchange_item",
        ["direction", "partner"],
        schema="clearing",
        postgresql_where=sa.text("state = 'disputed'"),
    )
    op.create_table(
        "exchange_window",
        sa.Column("window", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("claims", sa.Integer(), nullable=False),
        sa.Column("without_partner", sa.Integer(), nullable=False),
        sa.Column("without_partner_minor", sa.BigInteger(), nullable=False),
        sa.Column("packed_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("window", name=op.f("pk_exchange_window")),
        schema="clearing",
    )
    for table in ("exchange_message", "exchange_window"):
        grant(table, "SELECT, INSERT", schema="clearing")
    for table in ("exchange_package", "exchange_item"):
        grant(table, "SELECT, INSERT, UPDATE", schema="clearing")
