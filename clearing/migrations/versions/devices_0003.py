"""Devices that are found again or end, what they say of themselves, and signed parameters."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

from backoffice.migration import grant

revision = "devices_0003"
down_revision = "devices_0002"
branch_labels = None
depends_on = None

_MOMENT = sa.DateTime(timezone=True)


def upgrade() -> None:
    _device()
    _around_a_device()
    _parameters()


def _device() -> None:
    op.add_column("device", sa.Column("decommissioned_at", _MOMENT), schema="clearing")
    op.add_column(
        "device", sa.Column("proposed_event", sa.String(), server_default="", nullable=False), schema="clearing"
    )
    op.add_column("device", sa.Column("proposed_by", sa.String()), schema="clearing")
    checks = {
        "enrolled_has_key_and_sam": "state IN ('invited', 'decommissioned')"
        " OR (public_key IS NOT NULL AND sam_serial IS NOT NULL AND terminal_number IS NOT NULL)",
        "lost_since": "state = 'decommissioned' OR (state IN ('lost', 'returning')) = (lost_at IS NOT NULL)",
        "ended_has_a_time": "(state = 'decommissioned') = (decommissioned_at IS NOT NULL)",
        "proposed_by_somebody": "(proposed_event = '') = (proposed_by IS NULL)",
    }
    for name, check in checks.items():
        op.execute(f"ALTER TABLE clearing.device DROP CONSTRAINT IF EXISTS ck_device_{name}")
        op.create_check_constraint(op.f(f"ck_device_{name}"), "device", check, schema="clearing")


def _around_a_device() -> None:
    op.create_table(
        "device_step",
        sa.Column("number", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("device", sa.String(), nullable=False),
        sa.Column("at", _MOMENT, nullable=False),
        sa.Column("actor", sa.String(), nullable=False),
        sa.Column("event", sa.String(), nullable=False),
        sa.Column("note", sa.String(), nullable=False),
        sa.Column("since", _MOMENT),
        sa.PrimaryKeyConstraint("number", name=op.f("pk_device_step")),
        schema="clearing",
    )
    op.create_index("device_step_by_device", "device_step", ["device", "number"], schema="clearing")
    grant("device_step", "SELECT, INSERT", schema="clearing")
    op.create_table(
        "device_absence",
        sa.Column("device", sa.String(), nullable=False),
        sa.Column("lost_at", _MOMENT, nullable=False),
        sa.Column("back_at", _MOMENT, nullable=False),
        sa.CheckConstraint("lost_at <= back_at", name=op.f("ck_device_absence_ends_after_it_began")),
        sa.PrimaryKeyConstraint("device", "lost_at", name=op.f("pk_device_absence")),
        schema="clearing",
    )
    grant("device_absence", "SELECT, INSERT", schema="clearing")
    op.create_table(
        "device_health",
        sa.Column("device", sa.String(), nullable=False),
        sa.Column("last_contact", _MOMENT, nullable=False),
        sa.Column("told_at", _MOMENT),
        sa.Column("told_list", sa.BigInteger()),
        sa.Column("reported_at", _MOMENT),
        sa.Column("software_version", sa.String()),
        sa.Column("tariff_version", sa.BigInteger()),
        sa.Column("list_version", sa.BigInteger()),
        sa.Column("parameter_key", sa.BigInteger()),
        sa.Column("clock_drift_ms", sa.BigInteger()),
        sa.Column("journal_last", sa.BigInteger()),
        sa.Column("journal_uploaded", sa.BigInteger()),
        sa.Column("free_bytes", sa.BigInteger()),
        sa.Column("refusal", sa.String()),
        sa.PrimaryKeyConstraint("device", name=op.f("pk_device_health")),
        schema="clearing",
    )
    grant("device_health", "SELECT, INSERT, UPDATE", schema="clearing")


def _parameters() -> None:
    op.create_table(
        "tariff_release",
        sa.Column("version", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("state", sa.String(), nullable=False),
        sa.Column("sha256", sa.LargeBinary(), nullable=False),
        sa.Column("effective_from", _MOMENT),
        sa.Column("document", JSONB()),
        sa.Column("proposed_by", sa.String()),
        sa.Column("approved_by", sa.String()),
        sa.Column("decided_at", _MOMENT),
        sa.CheckConstraint("octet_length(sha256) = 32", name=op.f("ck_tariff_release_sha256_length")),
        sa.CheckConstraint(
            "approved_by IS NULL OR approved_by <> proposed_by", name=op.f("ck_tariff_release_two_persons")
        ),
        sa.CheckConstraint(
            "(state = 'proposed') = (document IS NOT NULL)", name=op.f("ck_tariff_release_document_until_approved")
        ),
        sa.CheckConstraint(
            "effective_from IS NOT NULL OR state = 'published'", name=op.f("ck_tariff_release_effective_from_known")
        ),
        sa.PrimaryKeyConstraint("version", name=op.f("pk_tariff_release")),
        schema="clearing",
    )
    grant("tariff_release", "SELECT, INSERT, UPDATE", schema="clearing")
    op.create_table(
        "deny_list_part",
        sa.Column("version", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("sha256", sa.LargeBinary(), nullable=False),
        sa.CheckConstraint("octet_length(sha256) = 32", name=op.f("ck_deny_list_part_sha256_length")),
        sa.PrimaryKeyConstraint("version", name=op.f("pk_deny_list_part")),
        schema="clearing",
    )
    grant("deny_list_part", "SELECT, INSERT", schema="clearing")
    op.create_table(
        "parameter_key",
        sa.Column("number", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("public", sa.LargeBinary(), nullable=False),
        sa.Column("state", sa.String(), nullable=False),
        sa.Column("proposed_by", sa.String()),
        sa.Column("approved_by", sa.String()),
        sa.Column("since", _MOMENT, nullable=False),
        sa.CheckConstraint("octet_length(public) = 32", name=op.f("ck_parameter_key_public_length")),
        sa.CheckConstraint(
            "approved_by IS NULL OR approved_by <> proposed_by", name=op.f("ck_parameter_key_two_persons")
        ),
        sa.PrimaryKeyConstraint("number", name=op.f("pk_parameter_key")),
        schema="clearing",
    )
    op.create_index(
        "parameter_key_one_signs",
        "parameter_key",
        ["state"],
        unique=True,
        postgresql_where=sa.text("state = 'signing'"),
        schema="clearing",
    )
    grant("parameter_key", "SELECT, INSERT, UPDATE", schema="clearing")
