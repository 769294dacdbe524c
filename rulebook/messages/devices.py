"""A terminal's life at clearing: enrolled once, then told its parameters."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum, unique
from typing import Annotated, Any, NamedTuple, TypeAlias

from pydantic import Field

from rulebook.messages.base import Hex, Message

Counted: TypeAlias = Annotated[int, Field(ge=0, lt=2**63)]


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


class ParameterKey(Message):
    """A public key of clearing (Ed25519, 32 bytes) by which devices know its statements. Numbers rise by one."""

    number: Annotated[int, Field(ge=1)]
    public: Annotated[Hex, Field(min_length=32, max_length=32)]


class DeviceEnrolled(Message):
    """The keys the device trusts from now on, and no other: the one that signs, and the next one where it is announced."""

    parameter_keys: Annotated[list[ParameterKey], Field(min_length=1, max_length=2)]


class DeviceHealth(Message):
    """What a device says of itself. ``clock_drift_ms``: its clock less clearing's when it last took a statement from the
    network (None: not since it started). ``parameter_key``: the newest of clearing's keys that it trusts. Sequences are the
    journal's (0: nothing yet, or no journal). ``refusal``: why it refused the parameters it was given last, empty where it
    took them."""

    software_version: Annotated[str, Field(max_length=40)]
    tariff_version: Counted
    list_version: Counted
    parameter_key: Counted
    clock_drift_ms: Annotated[int, Field(ge=-(2**63), lt=2**63)] | None = None
    journal_last: Counted
    journal_uploaded: Counted
    free_bytes: Counted
    refusal: Annotated[str, Field(max_length=200)] = ""


class DenyEntry(NamedTuple):
    """A card that is not taken. ``issuer`` 8 bytes, ``serial`` 10 (0x15[10..19])."""

    issuer: bytes
    serial: bytes
    reported_at: datetime


@dataclass(frozen=True, slots=True)
class Parameters:
    """What a terminal works by, put together from a signed statement and its parts (``rulebook.parameters``). ``tariff``
    is the document that ``rulebook.tariff`` reads. Plain values: a city's deny list has half a million cards."""

    tariff_version: int
    tariff: Mapping[str, Any]
    list_version: int
    deny_list: Sequence[DenyEntry]


class BatchReceipt(Message):
    """Clearing has the batch durably. ``repeated``: it had it before, with equal content."""

    device: str
    number: int
    content_hash: Hex
    repeated: bool
