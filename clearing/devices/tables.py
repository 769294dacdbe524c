"""The device register of clearing: who may speak, what was done about it, how it is, and by what it works."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import BigInteger, CheckConstraint, DateTime, Identity, Index, LargeBinary, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from clearing.base import Base


class DeviceRow(Base):
    """``lost_at`` stays until it is enrolled again; of a decommissioned one ``decommissioned_at`` says until when it was
    listened to. ``proposed_event`` waits for a second person; empty where nothing does."""

    __tablename__ = "device"
    __table_args__ = (
        CheckConstraint(
            "state IN ('invited', 'decommissioned')"
            " OR (public_key IS NOT NULL AND sam_serial IS NOT NULL AND terminal_number IS NOT NULL)",
            name="enrolled_has_key_and_sam",
        ),
        CheckConstraint("octet_length(public_key) = 32", name="public_key_length"),
        CheckConstraint(
            "state = 'decommissioned' OR (state IN ('lost', 'returning')) = (lost_at IS NOT NULL)", name="lost_since"
        ),
        CheckConstraint("(state = 'decommissioned') = (decommissioned_at IS NOT NULL)", name="ended_has_a_time"),
        CheckConstraint("(proposed_event = '') = (proposed_by IS NULL)", name="proposed_by_somebody"),
    )

    device: Mapped[str] = mapped_column(primary_key=True)
    kind: Mapped[str]
    operator: Mapped[str]
    line: Mapped[str]
    place: Mapped[str]
    state: Mapped[str]
    code_hash: Mapped[bytes] = mapped_column(LargeBinary)
    public_key: Mapped[bytes | None] = mapped_column(LargeBinary)
    sam_serial: Mapped[bytes | None] = mapped_column(LargeBinary)
    terminal_number: Mapped[bytes | None] = mapped_column(LargeBinary)
    invited_at: Mapped[datetime] = mapped_column(DateTime(timezone=True))
    enrolled_at: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))
    lost_at: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))
    decommissioned_at: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))
    proposed_event: Mapped[str] = mapped_column(server_default="")
    proposed_by: Mapped[str | None]


class DeviceStepRow(Base):
    """What happened to a device; never changed. ``since``: from when a loss counts."""

    __tablename__ = "device_step"
    __table_args__ = (Index("device_step_by_device", "device", "number"),)

    number: Mapped[int] = mapped_column(BigInteger, Identity(always=True), primary_key=True)
    device: Mapped[str]
    at: Mapped[datetime] = mapped_column(DateTime(timezone=True))
    actor: Mapped[str]
    event: Mapped[str]
    note: Mapped[str]
    since: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))


class DeviceAbsenceRow(Base):
    """An absence that has ended: between the two the device was lost."""

    __tablename__ = "device_absence"
    __table_args__ = (CheckConstraint("lost_at <= back_at", name="ends_after_it_began"),)

    device: Mapped[str] = mapped_column(primary_key=True)
    lost_at: Mapped[datetime] = mapped_column(DateTime(timezone=True), primary_key=True)
    back_at: Mapped[datetime] = mapped_column(DateTime(timezone=True))


class DeviceHealthRow(Base):
    """What the device said of itself last; ``last_contact`` is of any request it signed. ``told_at`` and ``told_list``: the
    statement it asked for last, and the deny list's version in it."""

    __tablename__ = "device_health"

    device: Mapped[str] = mapped_column(primary_key=True)
    last_contact: Mapped[datetime] = mapped_column(DateTime(timezone=True))
    told_at: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))
    told_list: Mapped[int | None] = mapped_column(BigInteger)
    reported_at: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))
    software_version: Mapped[str | None]
    tariff_version: Mapped[int | None] = mapped_column(BigInteger)
    list_version: Mapped[int | None] = mapped_column(BigInteger)
    parameter_key: Mapped[int | None] = mapped_column(BigInteger)
    clock_drift_ms: Mapped[int | None] = mapped_column(BigInteger)
    journal_last: Mapped[int | None] = mapped_column(BigInteger)
    journal_uploaded: Mapped[int | None] = mapped_column(BigInteger)
    free_bytes: Mapped[int | None] = mapped_column(BigInteger)
    refusal: Mapped[str | None]


class TariffReleaseRow(Base):
    """From when on a tariff version is to be used, and by whose word. ``document`` only until it is approved: then it stands
    in ``clearing.tariff``. ``effective_from`` is NULL for what the city began with."""

    __tablename__ = "tariff_release"
    __table_args__ = (
        CheckConstraint("octet_length(sha256) = 32", name="sha256_length"),
        CheckConstraint("approved_by IS NULL OR approved_by <> proposed_by", name="two_persons"),
        CheckConstraint("(state = 'proposed') = (document IS NOT NULL)", name="document_until_approved"),
        CheckConstraint("effective_from IS NOT NULL OR state = 'published'", name="effective_from_known"),
    )

    version: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    state: Mapped[str]
    sha256: Mapped[bytes] = mapped_column(LargeBinary)
    effective_from: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))
    document: Mapped[dict[str, Any] | None] = mapped_column(JSONB(none_as_null=True))
    proposed_by: Mapped[str | None]
    approved_by: Mapped[str | None]
    decided_at: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))


class DenyListPartRow(Base):
    """The hash of the whole deny list at a version that some device was told of; the entries stand in
    ``clearing.deny_change``."""

    __tablename__ = "deny_list_part"
    __table_args__ = (CheckConstraint("octet_length(sha256) = 32", name="sha256_length"),)

    version: Mapped[int] = mapped_column(BigInteger, primary_key=True, autoincrement=False)
    sha256: Mapped[bytes] = mapped_column(LargeBinary)


class ParameterKeyRow(Base):
    """The public half of each key that signs statements, or did, or will; the private half lies in the service's data
    folder."""

    __tablename__ = "parameter_key"
    __table_args__ = (
        CheckConstraint("octet_length(public) = 32", name="public_length"),
        CheckConstraint("approved_by IS NULL OR approved_by <> proposed_by", name="two_persons"),
        Index("parameter_key_one_signs", "state", unique=True, postgresql_where=text("state = 'signing'")),
    )

    number: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    public: Mapped[bytes] = mapped_column(LargeBinary)
    state: Mapped[str]
    proposed_by: Mapped[str | None]
    approved_by: Mapped[str | None]
    since: Mapped[datetime] = mapped_column(DateTime(timezone=True))
