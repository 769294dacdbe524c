"""A terminal's life at clearing: enrolled once, then told its parameters."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum, unique
from typing import Any

from rulebook.messages.base import Hex, Message


@unique
class DeviceKind(StrEnum):
    VALIDATOR = "validator"  # on a bus
    GATE = "gate"  # in a metro station
    TOPUP = "topup"  # a top-up desk
    HOSPITAL = "hospital"  # a hospital desk


class DeviceInvitation(Message):
    """Staff announces a device: only what is announced can enrol, once, with ``code``. ``place`` is a vehicle, station
    or desk; ``line`` may be empty."""

    device: str
    kind: DeviceKind
    operator: str
    line: str
    place: str


class DeviceInvited(Message):
    device: str
    code: str


class DeviceEnrolment(Message):
    """Sent by the device: its Ed25519 public key (32 bytes, made on the device), the PSAM in its slot, and ``signature``
    over device ‖ code ‖ public_key ‖ sam_serial ‖ terminal_number (ASCII and raw bytes, concatenated)."""

    device: str
    code: str
    public_key: Hex
    sam_serial: Hex
    terminal_number: Hex
    signature: Hex

    def signed_bytes(self) -> bytes:
        return self.device.encode() + self.code.encode() + self.public_key + self.sam_serial + self.terminal_number


class DenyEntry(Message):
    issuer: Hex
    serial: Hex
    reported_at: datetime


class Parameters(Message):
    """``GET /parameters``: what a terminal works by. ``tariff`` is the document that ``rulebook.tariff`` reads."""

    tariff_version: int
    tariff: dict[str, Any]
    list_version: int
    deny_list: list[DenyEntry]


class BatchReceipt(Message):
    """Clearing has the batch durably. ``repeated``: it had it before, with equal content."""

    device: str
    number: int
    content_hash: Hex
    repeated: bool
