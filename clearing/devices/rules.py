"""Invitation and enrolment of a terminal. Pure."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum, unique

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from clearing.devices.life import DeviceState
from clearing.participants.rules import Role
from rulebook.messages.devices import DeviceEnrolment, DeviceKind
from rulebook.messages.facts import SamFact, SamState


@unique
class EnrolmentRefusal(StrEnum):
    """Why a device is not enrolled, in order of precedence. The problem document's ``reason``."""

    DEVICE_NOT_INVITED = "device_not_invited"
    CODE_WRONG = "code_wrong"
    SIGNATURE_WRONG = "signature_wrong"
    DEVICE_LOST = "device_lost"
    DEVICE_DECOMMISSIONED = "device_decommissioned"
    KEY_WAS_LOST = "key_was_lost"
    ENROLLED_WITH_OTHER_CONTENT = "enrolled_with_other_content"
    SAM_UNKNOWN = "sam_unknown"
    SAM_NOT_OF_DEVICE = "sam_not_of_device"


# Whose terminals of each kind are: what they bring is booked on an account that only this role has.
OPERATED_BY: dict[DeviceKind, Role] = {
    DeviceKind.VALIDATOR: Role.OPERATOR,
    DeviceKind.GATE: Role.OPERATOR,
    DeviceKind.TOPUP: Role.AGENT,
    DeviceKind.HOSPITAL: Role.HOSPITAL,
}

EXPLANATIONS: dict[EnrolmentRefusal, str] = {
    EnrolmentRefusal.DEVICE_NOT_INVITED: "no such device is announced; staff announce it first",
    EnrolmentRefusal.CODE_WRONG: "the code is not the one given for this device; ask staff for it",
    EnrolmentRefusal.SIGNATURE_WRONG: "the signature is not the public key's over device, code, key and PSAM",
    EnrolmentRefusal.DEVICE_LOST: "the device was reported lost; two persons say that it is found, then enrol it",
    EnrolmentRefusal.DEVICE_DECOMMISSIONED: "the device has ended; announce another one under a new name",
    EnrolmentRefusal.KEY_WAS_LOST: "the key was away with the device; make a new one on the device",
    EnrolmentRefusal.ENROLLED_WITH_OTHER_CONTENT: "the code was used already, with another key or PSAM",
    EnrolmentRefusal.SAM_UNKNOWN: "the feed has not told of this PSAM; pull the feed or personalise it first",
    EnrolmentRefusal.SAM_NOT_OF_DEVICE: "issuing has not bound this PSAM to this device and operator",
}


@dataclass(frozen=True, slots=True)
class Invited:
    """What is stored of a device when an enrolment comes; the last three are None before the first."""

    device: str
    operator: str
    state: DeviceState
    code_hash: bytes
    public_key: bytes | None
    sam_serial: bytes | None
    terminal_number: bytes | None


def code_hash(device: str, code: str) -> bytes:
    """Codes are random and long, so a plain hash keeps them; bound to the device."""
    return hashlib.sha256(f"{device}\n{code}".encode()).digest()


def judge_enrolment(
    enrolment: DeviceEnrolment, invited: Invited | None, sam: SamFact | None
) -> EnrolmentRefusal | None:
    """The first broken rule, or None: enrol it (or, where it is enrolled with equal content, do nothing)."""
    return next((reason for broken, reason in _checks(enrolment, invited, sam) if broken), None)


def _checks(
    enrolment: DeviceEnrolment, invited: Invited | None, sam: SamFact | None
) -> Iterable[tuple[bool, EnrolmentRefusal]]:
    yield invited is None, EnrolmentRefusal.DEVICE_NOT_INVITED
    assert invited is not None
    right = hmac.compare_digest(code_hash(enrolment.device, enrolment.code), invited.code_hash)
    yield not right, EnrolmentRefusal.CODE_WRONG
    signed = is_signed(enrolment.public_key, enrolment.signature, enrolment.signed_bytes())
    yield not signed, EnrolmentRefusal.SIGNATURE_WRONG
    yield invited.state is DeviceState.LOST, EnrolmentRefusal.DEVICE_LOST
    yield invited.state is DeviceState.DECOMMISSIONED, EnrolmentRefusal.DEVICE_DECOMMISSIONED
    same_key = invited.state is DeviceState.RETURNING and enrolment.public_key == invited.public_key
    yield same_key, EnrolmentRefusal.KEY_WAS_LOST
    given = (enrolment.public_key, enrolment.sam_serial, enrolment.terminal_number)
    stored = (invited.public_key, invited.sam_serial, invited.terminal_number)
    repeated = invited.state is DeviceState.ENROLLED
    yield repeated and given != stored, EnrolmentRefusal.ENROLLED_WITH_OTHER_CONTENT
    yield sam is None, EnrolmentRefusal.SAM_UNKNOWN
    yield sam is not None and not is_bound(sam, enrolment, invited), EnrolmentRefusal.SAM_NOT_OF_DEVICE


def is_bound(sam: SamFact, enrolment: DeviceEnrolment, invited: Invited) -> bool:
    return (sam.state, sam.device, sam.operator, sam.terminal_number) == (
        SamState.BOUND,
        invited.device,
        invited.operator,
        enrolment.terminal_number,
    )


def is_signed(public_key: bytes, signature: bytes, message: bytes) -> bool:
    """Whether ``signature`` is ``public_key``'s (32 bytes) over ``message`` (Ed25519, RFC 8032)."""
    try:
        Ed25519PublicKey.from_public_bytes(public_key).verify(signature, message)
    except (InvalidSignature, ValueError):
        return False
    return True
