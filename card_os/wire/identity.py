"""Commands of the identity application (NIST SP 800-73-4 part 2 §3) and the names they use.

A command whose data does not fit one short APDU goes as several (command chaining): builders that may need it answer a
tuple, to be sent in order; all but the last are answered 9000 without data.
"""

from __future__ import annotations

from card_os.wire.apdu import CommandApdu
from card_os.wire.tlv import Tlv

IDENTITY_AID = bytes.fromhex("A000000308000010000100")
IDENTITY_DF = 0x1002  # ours
CONTAINER_FILE = 0x0003  # ours

PIN = 0x80
PUK = 0x81
MANAGEMENT_KEY = 0x9B

TRIPLE_DES_IDENTIFIER = 0x03
AES_128_IDENTIFIER = 0x08

REFERENCE_LENGTH = 8
_PADDING = 0xFF
CHUNK = 255
CHAINED = 0x10
_ALL = 256

TEMPLATE = 0x7C
WITNESS, CHALLENGE, RESPONSE, EXPONENTIATION = 0x80, 0x81, 0x82, 0x85
PUBLIC_KEY = 0x7F49
MODULUS, EXPONENT, POINT = 0x81, 0x82, 0x86
CONTENT = 0x53


def padded(digits: str) -> bytes:
    """A PIN or PUK as it goes to the card: ASCII, FF on the right to 8 bytes (§2.4.3). Raises ``ValueError``."""
    if not 6 <= len(digits) <= REFERENCE_LENGTH:
        raise ValueError(f"a PIN or PUK of {len(digits)} characters; it must have 6 to 8")
    return digits.encode("ascii").ljust(REFERENCE_LENGTH, bytes((_PADDING,)))


def chained(command: CommandApdu) -> tuple[CommandApdu, ...]:
    """``command`` as short APDUs."""
    pieces = [command.data[at : at + CHUNK] for at in range(0, len(command.data), CHUNK)] or [b""]
    head = (command.ins, command.p1, command.p2)
    parts = [CommandApdu(command.cla | CHAINED, *head, piece) for piece in pieces[:-1]]
    return *parts, CommandApdu(command.cla, *head, pieces[-1], command.ne)


def get_data(tag: int) -> CommandApdu:
    """Answer: ``53 length content``, or the discovery object (7E) as it is."""
    return CommandApdu(0x00, 0xCB, 0x3F, 0xFF, _named(tag), _ALL)


def put_data(tag: int, content: bytes) -> tuple[CommandApdu, ...]:
    """Replace the object; empty ``content`` removes it."""
    return chained(CommandApdu(0x00, 0xDB, 0x3F, 0xFF, _named(tag) + Tlv(CONTENT, content).encode()))


def _named(tag: int) -> bytes:
    return Tlv(0x5C, tag.to_bytes((tag.bit_length() + 7) // 8, "big")).encode()


def verify(pin: bytes | None) -> CommandApdu:
    """``pin`` as ``padded`` makes it; None asks: 9000 verified, else 63Cx tries left."""
    return CommandApdu(0x00, 0x20, 0x00, PIN, pin or b"")


def change_reference_data(reference: int, old: bytes, new: bytes) -> CommandApdu:
    return CommandApdu(0x00, 0x24, 0x00, reference, old + new)


def reset_retry_counter(puk: bytes, new_pin: bytes) -> CommandApdu:
    return CommandApdu(0x00, 0x2C, 0x00, PIN, puk + new_pin)


def generate_key_pair(slot: int, algorithm: int) -> CommandApdu:
    """Answer: 7F49{81 modulus, 82 exponent} or 7F49{86 point}."""
    return CommandApdu(0x00, 0x47, 0x00, slot, Tlv(0xAC, Tlv(0x80, bytes((algorithm,))).encode()).encode(), _ALL)


def general_authenticate(algorithm: int, reference: int, *items: Tlv) -> tuple[CommandApdu, ...]:
    """Answer: 7C{…}."""
    template = Tlv(TEMPLATE, b"".join(item.encode() for item in items)).encode()
    return chained(CommandApdu(0x00, 0x87, algorithm, reference, template, _ALL))


def sign(algorithm: int, slot: int, block: bytes) -> tuple[CommandApdu, ...]:
    """RSA: ``block`` padded to the modulus, the private operation is done (signature or deciphering); EC: a digest."""
    return general_authenticate(algorithm, slot, Tlv(RESPONSE, b""), Tlv(CHALLENGE, block))


def agree(algorithm: int, slot: int, point: bytes) -> tuple[CommandApdu, ...]:
    """ECDH with the uncompressed ``point``; the answer's 82 is the shared secret's x."""
    return general_authenticate(algorithm, slot, Tlv(RESPONSE, b""), Tlv(EXPONENTIATION, point))


GET_VERSION = CommandApdu(0x00, 0xFD, 0x00, 0x00, ne=_ALL)
"""Yubico's extension: three bytes."""
