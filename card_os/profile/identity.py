"""The identity application: a PIV card application (NIST SP 800-73-4, called "73" below; SP 800-78-4, "78").

The tables here feed the engine, personalisation and tests. Ours, and only here: which optional objects the card has, its
room for them, and that PIN, PUK and management key are keys of the DF, written by WRITE KEY under the MF's line protection
(73 leaves their making to the issuer).
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum, unique

from card_os.profile.access import Level
from card_os.profile.citizen import CITIZEN_CARD
from card_os.profile.files import ApplicationSpec, CardSpec, ContainerSpec, KeySpec, KeyType, PinSpec
from card_os.profile.transit import KEY_TRIES
from card_os.wire import identity as names
from card_os.wire.tlv import Tlv, encode_all

PAGE = 256
ENTRY_COUNT = 24
PAGES_OF_AN_ENTRY = 14  # 3,584 bytes: the longest object, CHUID, has 3,395
PAGES = 80  # every object at its longest, four RSA keys, and the longest object once more while it is replaced
MEMORY_SIZE = 32 * 1024  # a citizen card takes 5 KB of it
PIN_TRIES = 3
PUK_TRIES = 3


@unique
class KeyAlgorithm(Enum):
    """What a key pair may be made with (78 table 6-2). ``identifier`` None: not yet."""

    RSA_2048 = ("RSA-2048", 0x07, 256, 256, "78 §3.1, table 3-1")
    P_256 = ("ECC P-256", 0x11, 32, 32, "78 §3.1, table 3-1")
    SM2 = ("SM2 (GB/T 32918)", None, 32, 32, "not yet: no identifier in 78, no SM2 in our cryptographic library")

    def __init__(self, label: str, identifier: int | None, block: int, private_length: int, clause: str) -> None:
        self.label = label
        self.identifier = identifier
        self.block = block  # bytes a signature is made over
        self.private_length = private_length  # bytes the card stores: p ‖ q, or the scalar
        self.clause = clause


KEY_ALGORITHMS = {row.identifier: row for row in KeyAlgorithm if row.identifier is not None}


@unique
class PinPolicy(Enum):
    """When the PIN must have been verified (73 part 1 table 4b)."""

    NEVER = "never"
    ONCE = "since the application was selected"
    ALWAYS = "by the command just before"


@unique
class KeySlot(Enum):
    """The card's private keys (73 part 1 table 4b). ``agrees``: may take part in ECDH."""

    AUTHENTICATION = (0x9A, "PIV authentication", PinPolicy.ONCE, 0x5FC105, False)
    SIGNATURE = (0x9C, "digital signature", PinPolicy.ALWAYS, 0x5FC10A, False)
    KEY_MANAGEMENT = (0x9D, "key management", PinPolicy.ONCE, 0x5FC10B, True)
    CARD_AUTHENTICATION = (0x9E, "card authentication", PinPolicy.NEVER, 0x5FC101, False)

    def __init__(self, reference: int, label: str, pin: PinPolicy, certificate: int, agrees: bool) -> None:
        self.reference = reference
        self.label = label
        self.pin = pin
        self.certificate = certificate  # tag of the data object with its X.509 certificate
        self.agrees = agrees


KEY_SLOTS = {slot.reference: slot for slot in KeySlot}


@unique
class ReadRight(Enum):
    ALWAYS = "always"
    PIN = "PIN verified"


@dataclass(frozen=True, slots=True)
class DataObject:
    """``size``: most bytes inside its 53 (73 part 1 table 7, minimum container capacity)."""

    tag: int
    name: str
    size: int
    read: ReadRight
    clause: str


DATA_OBJECTS = {
    item.tag: item
    for item in (
        DataObject(0x5FC107, "card capability container", 297, ReadRight.ALWAYS, "73 part 1 §3.1.1"),
        DataObject(0x5FC102, "card holder unique identifier", 3395, ReadRight.ALWAYS, "73 part 1 §3.1.2"),
        DataObject(0x5FC105, "X.509 certificate, PIV authentication (9A)", 1905, ReadRight.ALWAYS, "73 part 1 §3.1.3"),
        DataObject(0x5FC106, "security object", 1336, ReadRight.ALWAYS, "73 part 1 §3.1.7"),
        DataObject(0x5FC101, "X.509 certificate, card authentication (9E)", 1905, ReadRight.ALWAYS, "73 part 1 §3.1.5"),
        DataObject(0x5FC10A, "X.509 certificate, digital signature (9C)", 1905, ReadRight.ALWAYS, "73 part 1 §3.2.1"),
        DataObject(0x5FC10B, "X.509 certificate, key management (9D)", 1905, ReadRight.ALWAYS, "73 part 1 §3.2.2"),
        DataObject(0x5FC109, "printed information", 245, ReadRight.PIN, "73 part 1 §3.3.1"),
        DataObject(0x5FC10C, "key history", 128, ReadRight.ALWAYS, "73 part 1 §3.3.3"),
    )
}

# 73 part 1 §3.3.2: made by the card itself. 40 00: only the application's PIN satisfies VERIFY, there is no global PIN.
DISCOVERY_TAG = 0x7E
DISCOVERY = Tlv(DISCOVERY_TAG, encode_all((Tlv(0x4F, names.IDENTITY_AID), Tlv(0x5F2F, b"\x40\x00")))).encode()

# 73 part 2 §3.1.1: PIX, coexistent tag allocation authority, algorithms.
PROPERTIES = Tlv(
    0x61,
    encode_all(
        (
            Tlv(0x4F, names.IDENTITY_AID[5:]),
            Tlv(0x79, Tlv(0x4F, names.IDENTITY_AID[:5]).encode()),
            Tlv(0xAC, encode_all((*(Tlv(0x80, bytes((row,))) for row in KEY_ALGORITHMS), Tlv(0x06, b"\x00")))),
        )
    ),
).encode()

# Answer to Yubico's GET VERSION. Ours: below 4, so that its tools ask for none of their later extensions.
VERSION = bytes((1, 0, 0))

IDENTITY = ApplicationSpec(
    name=names.IDENTITY_AID,
    fid=names.IDENTITY_DF,
    keys=(
        KeySpec(label="maintenance", type=KeyType.LINE_PROTECTION, id=0, tries=KEY_TRIES),
        KeySpec(label="identity-management", type=KeyType.EXTERNAL, id=names.MANAGEMENT_KEY),
    ),
    pins=(
        PinSpec(id=names.PIN, tries=PIN_TRIES, next_state=Level.FREE),
        PinSpec(id=names.PUK, tries=PUK_TRIES, next_state=Level.FREE),
    ),
    container=ContainerSpec(fid=names.CONTAINER_FILE, pages=PAGES, write=Level.ADMINISTRATION),
)

IDENTITY_CARD = CardSpec(
    name="citizen card with identity application",
    master_file=CITIZEN_CARD.master_file,
    applications=(*CITIZEN_CARD.applications, IDENTITY),
)
