"""The identity application of one card: keys made on the card, certificates for them, data objects; all read back.

The application itself (container, PIN, PUK, management key) is made by ``dialogue.personalise`` like every other. Every step
here may be repeated: a torn card gets new keys and new certificates for them.
"""

from __future__ import annotations

import hmac
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date
from typing import TypeAlias

from cryptography.hazmat.primitives.asymmetric import ec, rsa

from card_os.crypto.asymmetric import PUBLIC_EXPONENT
from card_os.crypto.des import BLOCK, decrypt_ecb, encrypt_ecb
from card_os.profile.identity import KeyAlgorithm, KeySlot
from card_os.wire import commands
from card_os.wire import identity as wire
from card_os.wire.apdu import CommandApdu, ResponseApdu
from card_os.wire.commands import MalformedAnswer
from card_os.wire.dialogue import Dialogue, ask_card
from card_os.wire.tlv import MalformedTlv, Tlv, encode_all, find
from hardware.vault.vault import KeyLabel
from issuing.personalisation.dialogue import ask_vault
from issuing.personalisation.identity import Identity, child
from issuing.personalisation.readback import ReadBackDiffers

PublicKey: TypeAlias = ec.EllipticCurvePublicKey | rsa.RSAPublicKey
Certify: TypeAlias = Callable[[KeySlot, PublicKey], bytes]

CAPABILITY_CONTAINER = 0x5FC107
HOLDER_IDENTIFIER = 0x5FC102
# FASC-N for those who are no agency of the United States: agency and system 9999 (SP 800-73-4 part 1 §3.1.2).
_NO_AGENCY = bytes.fromhex("D4E739DA739CED39CE739D836858210842108421C84210C3EB")
_IDENTIFIER_LENGTH = 16
_GSC_RID = bytes.fromhex(
    "A000000116"
)  # card identifier of the capability container: GSC-RID, manufacturer, type, number
_MANUFACTURER, _PROCESSOR_CARD = 0xFF, 0x02


@dataclass(frozen=True, slots=True)
class IdentityPlan:
    """Which key pair each slot gets, and what the card holder unique identifier says."""

    algorithms: Mapping[KeySlot, KeyAlgorithm]
    expires: date


def personalise_identity(
    identity: Identity, plan: IdentityPlan, *, certify: Certify, random: Callable[[int], bytes]
) -> Dialogue[None]:
    """``certify`` answers a certificate (DER) for a key the card has made. Raises ``ReadBackDiffers``, ``MalformedAnswer``
    and what ``ask_card`` raises."""
    yield from ask_card(commands.select_name(wire.IDENTITY_AID))
    management = yield from ask_vault(child(KeyLabel.IDENTITY_MANAGEMENT, identity))
    yield from _authenticate(management, random(BLOCK))
    for slot, algorithm in plan.algorithms.items():
        assert algorithm.identifier is not None, f"{algorithm.label}: {algorithm.clause}"
        answer = yield from ask_card(wire.generate_key_pair(slot.reference, algorithm.identifier))
        certificate = certify(slot, public_key(answer.data))
        yield from _put(slot.certificate, certificate_content(certificate))
    yield from _put(HOLDER_IDENTIFIER, holder_identifier(identity, plan.expires))
    yield from _put(CAPABILITY_CONTAINER, capability_container(identity))


def _authenticate(key: bytes, challenge: bytes) -> Dialogue[None]:
    """Mutual: the card shows that it has the key as well."""
    algorithm = wire.TRIPLE_DES_IDENTIFIER
    given = yield from _send(wire.general_authenticate(algorithm, wire.MANAGEMENT_KEY, Tlv(wire.WITNESS, b"")))
    witness = decrypt_ecb(key, _found(given.data, wire.TEMPLATE, wire.WITNESS, length=BLOCK))
    proof = (Tlv(wire.WITNESS, witness), Tlv(wire.CHALLENGE, challenge))
    proved = yield from _send(wire.general_authenticate(algorithm, wire.MANAGEMENT_KEY, *proof))
    response = _found(proved.data, wire.TEMPLATE, wire.RESPONSE, length=BLOCK)
    if not hmac.compare_digest(response, encrypt_ecb(key, challenge)):
        raise ReadBackDiffers("the card's management key 9B is not the one it was given")


def _send(parts: tuple[CommandApdu, ...]) -> Dialogue[ResponseApdu]:
    for part in parts[:-1]:
        yield from ask_card(part)
    return (yield from ask_card(parts[-1]))


def _put(tag: int, content: bytes) -> Dialogue[None]:
    yield from _send(wire.put_data(tag, content))
    stored = yield from ask_card(wire.get_data(tag))
    if _found(stored.data, wire.CONTENT, length=None) != content:
        raise ReadBackDiffers(f"data object {tag:X} is not what was written")


def _found(data: bytes, *path: int, length: int | None) -> bytes:
    try:
        value = find(data, *path)
    except MalformedTlv as problem:
        raise MalformedAnswer(str(problem)) from problem
    if value is None or (length is not None and len(value) != length):
        raise MalformedAnswer(f"no {' '.join(f'{tag:X}' for tag in path)} of the right length in the answer")
    return value


def public_key(answer: bytes) -> PublicKey:
    """What GENERATE ASYMMETRIC KEY PAIR answered. Raises ``MalformedAnswer``."""
    body = _found(answer, wire.PUBLIC_KEY, length=None)
    try:
        point = find(body, wire.POINT)
        if point is not None:
            return ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), point)
        modulus = _found(body, wire.MODULUS, length=KeyAlgorithm.RSA_2048.block)
        return rsa.RSAPublicNumbers(PUBLIC_EXPONENT, int.from_bytes(modulus, "big")).public_key()
    except (ValueError, MalformedTlv) as problem:
        raise MalformedAnswer(f"no public key of P-256 or RSA-2048: {problem}") from problem


def certificate_content(certificate: bytes) -> bytes:
    """70 certificate, 71 not compressed, FE error detection (empty)."""
    return encode_all((Tlv(0x70, certificate), Tlv(0x71, b"\x00"), Tlv(0xFE, b"")))


def holder_identifier(identity: Identity, expires: date) -> bytes:
    """CHUID. 34 is the card's own serial on 16 bytes; unsigned (3E empty)."""
    unique = identity.serial.rjust(_IDENTIFIER_LENGTH, b"\x00")
    return encode_all(
        (
            Tlv(0x30, _NO_AGENCY),
            Tlv(0x34, unique),
            Tlv(0x35, f"{expires:%Y%m%d}".encode()),
            Tlv(0x3E, b""),
            Tlv(0xFE, b""),
        )
    )


def capability_container(identity: Identity) -> bytes:
    """CCC (SP 800-73-4 part 1 §3.1.1): card identifier, versions 2.1, no further capabilities."""
    number = identity.serial[-14:].rjust(14, b"\x00")
    card = _GSC_RID + bytes((_MANUFACTURER, _PROCESSOR_CARD)) + number
    values = {0xF0: card, 0xF1: b"\x21", 0xF2: b"\x21", 0xF4: b"\x00", 0xF5: b"\x10"}
    tags = (0xF0, 0xF1, 0xF2, 0xF3, 0xF4, 0xF5, 0xF6, 0xF7, 0xFA, 0xFB, 0xFC, 0xFD, 0xFE)
    return encode_all([Tlv(tag, values.get(tag, b"")) for tag in tags])
