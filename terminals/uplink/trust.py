"""Which of clearing's keys a device trusts, and what it takes from a signed statement. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum, unique

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from rulebook.messages.devices import DeviceEnrolled, ParameterKey
from rulebook.parameters import MalformedStatement, ParameterStatement, read_statement, signature_and_signed


@unique
class Refusal(StrEnum):
    """Why a device does not take what it was given, in order of precedence."""

    SIGNATURE_WRONG = "signature_wrong"
    MALFORMED = "malformed"
    OTHER_DEVICE = "other_device"
    EXPIRED = "expired"
    OLDER = "older"
    PART_WRONG = "part_wrong"


class ParametersRefused(Exception):
    """Nothing of it was taken; what the device has stays in force."""

    def __init__(self, refusal: Refusal, detail: str) -> None:
        super().__init__(f"{refusal}: {detail}")
        self.refusal = refusal


@dataclass(frozen=True, slots=True)
class Trust:
    """One device's trust in clearing: pinned at enrolment, changed only by a statement that a trusted key signed."""

    device: str
    keys: tuple[ParameterKey, ...]

    @classmethod
    def pinned(cls, device: str, enrolled: DeviceEnrolled) -> Trust:
        return cls(device, tuple(enrolled.parameter_keys))

    def after(self, statement: ParameterStatement) -> Trust:
        """From ``statement`` on: its key and the one it announces. A key that was replaced is trusted no more."""
        signer = tuple(key for key in self.keys if key.number == statement.key)
        return Trust(self.device, signer if statement.next_key is None else (*signer, statement.next_key))

    def read(self, document: bytes) -> ParameterStatement:
        """A statement for this device signed by a trusted key, of whatever age. Raises ``ParametersRefused``."""
        try:
            signature, signed = signature_and_signed(document)
        except MalformedStatement as error:
            raise ParametersRefused(Refusal.SIGNATURE_WRONG, str(error)) from error
        signers = [key.number for key in self.keys if _is_signed(key.public, signature, signed)]
        if not signers:
            known = ", ".join(str(key.number) for key in self.keys)
            raise ParametersRefused(Refusal.SIGNATURE_WRONG, f"no key this device trusts ({known}) signed it")
        return self._of_this_device(_read(document), signers)

    def _of_this_device(self, statement: ParameterStatement, signers: list[int]) -> ParameterStatement:
        if statement.key not in signers:
            raise ParametersRefused(Refusal.MALFORMED, f"key is {statement.key}, {signers[0]} signed")
        if statement.device != self.device:
            raise ParametersRefused(Refusal.OTHER_DEVICE, f"device is {statement.device}, this is {self.device}")
        return statement


def refuse_out_of_time(statement: ParameterStatement, newest: ParameterStatement | None, now: datetime) -> None:
    """Refuse what has expired or would lead back behind ``newest``. Raises ``ParametersRefused``."""
    if now > statement.valid_until:
        detail = f"valid until {statement.valid_until}, the device's clock says {now}: fetch it anew, or set the clock"
        raise ParametersRefused(Refusal.EXPIRED, detail)
    if newest is None:
        return
    given, has = _versions(statement), _versions(newest)
    back = [f"{name} is {given[name]}, there is {has[name]}" for name in given if given[name] < has[name]]
    if statement.issued_at < newest.issued_at:
        back.append(f"issued at {statement.issued_at}, there is one of {newest.issued_at}")
    if back:
        raise ParametersRefused(Refusal.OLDER, "; ".join(back))


def _versions(statement: ParameterStatement) -> dict[str, int]:
    return {
        "key": statement.key,
        "tariff": statement.tariff.version,
        "deny list": statement.deny_list.version,
    }


def _read(document: bytes) -> ParameterStatement:
    try:
        return read_statement(document)
    except MalformedStatement as error:
        raise ParametersRefused(Refusal.MALFORMED, str(error)) from error


def _is_signed(public: bytes, signature: bytes, signed: bytes) -> bool:
    try:
        Ed25519PublicKey.from_public_bytes(public).verify(signature, signed)
    except (InvalidSignature, ValueError):
        return False
    return True
