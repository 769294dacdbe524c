"""Loads: of an attempt only state and proof change; what was given out stays."""

import sqlalchemy as sa
from alembic import op

from backoffice.migration import grant

revision = "loads_0001"
down_revision = None
branch_labels = ("loads",)
depends_on = None


def upgrade() -> None:
    op.create_table(
        "load",
        sa.Column("issuer", sa.LargeBinary(), nullable=False),
        sa.Column("serial", sa.LargeBinary(), nullable=False),
        sa.Column("purse", sa.Integer(), nullable=False),
        sa.Column("online_sequence", sa.Integer(), nullable=False),
        sa.Column("attempt", sa.Integer(), nullable=False),
        sa.Column("agent", sa.String(), nullable=False),
        sa.Column("amount_minor", sa.BigInteger(), nullable=False),
        sa.Column("state", sa.String(), nullable=False),
        sa.Column("executed_random", sa.LargeBinary(), nullable=True),
        sa.Column("tac", sa.LargeBinary(), nullable=True),
        sa.CheckConstraint(
            "(state = 'posted') = (tac IS NOT NULL AND executed_random IS NOT NULL)",
            name=op.f("ck_load_posted_by_proof"),
        ),
        sa.CheckConstraint("state IN ('reserved', 'posted', 'voided')", name=op.f("ck_load_state_known")),
        sa.CheckConstraint("amount_minor > 0", name=op.f("ck_load_amount_above_zero")),
        sa.PrimaryKeyConstraint("issuer", "serial", "purse", "online_sequence", "attempt", name=op.f("pk_load")),
        schema="clearing",
    )
    op.create_index(
        "load_open_once",
        "load",
        ["issuer", "serial", "purse"],
        unique=True,
        schema="clearing",
        postgresql_where=sa.text("state = 'reserved'"),
    )
    op.create_index(
        "load_posted_once",
        "load",
        ["issuer", "serial", "purse", "online_sequence"],
        unique=True,
        schema="clearing",
        postgresql_where=sa.text("state = 'posted'"),
    )
    op.create_table(
        "load_authorisation",
        sa.Column("issuer", sa.LargeBinary(), nullable=False),
        sa.Column("serial", sa.LargeBinary(), nullable=False),
        sa.Column("purse", sa.Integer(), nullable=False),
        sa.Column("online_sequence", sa.Integer(), nullable=False),
        sa.Column("attempt", sa.Integer(), nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("random", sa.LargeBinary(), nullable=False),
        sa.Column("device", sa.String(), nullable=False),
        sa.Column("terminal", sa.LargeBinary(), nullable=False),
        sa.Column("date", sa.LargeBinary(), nullable=False),
        sa.Column("time", sa.LargeBinary(), nullable=False),
        sa.Column("key_version", sa.Integer(), nullable=False),
        sa.Column("algorithm", sa.Integer(), nullable=False),
        sa.Column("balance_minor", sa.BigInteger(), nullable=False),
        sa.Column("mac1", sa.LargeBinary(), nullable=False),
        sa.Column("mac2", sa.LargeBinary(), nullable=False),
        sa.ForeignKeyConstraint(
            ["issuer", "serial", "purse", "online_sequence", "attempt"],
            [
                "clearing.load.issuer",
                "clearing.load.serial",
                "clearing.load.purse",
                "clearing.load.online_sequence",
                "clearing.load.attempt",
            ],
            name=op.f("fk_load_authorisation_issuer_serial_purse_online_sequence_attempt"),
        ),
        sa.PrimaryKeyConstraint(
            "issuer", "serial", "purse", "online_sequence", "attempt", "position", name=op.f("pk_load_authorisation")
        ),
        schema="clearing",
    )
    op.create_index(
        "load_authorisation_by_random",
        "load_authorisation",
        ["issuer", "serial", "purse", "online_sequence", "random"],
        unique=True,
        schema="clearing",
    )
    grant("load", "SELECT, INSERT, UPDATE (state, executed_random, tac)", schema="clearing")
    grant("load_authorisation", "SELECT, INSERT", schema="clearing")
