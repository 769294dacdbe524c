"""What personalisation sends to make the tables of a ``CardSpec`` true: CREATE FILE and WRITE KEY (standards.md §1.5, §2.4).

Ours, and only here:
- a key's header has 7 bytes, ``type use change version algorithm nextState counter``: the union of the two FMCOS forms of
  5, so that ``length1 ‖ header7`` is one cipher block, the 16 key bytes are two, and ``80 00×7`` is one. A SAM's master can
  therefore come ready encrypted from the vault and be put between the two others;
- every WRITE KEY is encrypted and MACed under the MF's line protection key 36/00;
- CREATE FILE of the purse carries the purse limit (4 bytes) after the FMCOS fields.
"""

from __future__ import annotations

import struct

from card_os.crypto.secure_messaging import enciphered, with_mac
from card_os.crypto.suites import TRIPLE_DES, Algorithm, Suite
from card_os.profile.access import Level, access_byte
from card_os.profile.files import (
    ApplicationSpec,
    ContainerSpec,
    FileSpec,
    KeySpec,
    KeyType,
    PinSpec,
    PurseSpec,
    Structure,
)
from card_os.wire.apdu import CommandApdu
from card_os.wire.identifiers import KEY_FILE

HEADER = struct.Struct(">7B")
KEY_LENGTH = 16
PIN_LENGTHS = (2, 3, 4, 5, 6, 8)
ADD_KEY = 0x01
_NOT_USED = 0xFF
_APPLICATION_FILE_ID = 0x95
_SPACE = 0x0800  # FMCOS reserves room for a DF; this card does not, it takes what its files need
_ADMINISTRATION = access_byte(Level.ADMINISTRATION)
_FREE = access_byte(Level.FREE)


def _create(fid: int, structure: int, rest: bytes) -> CommandApdu:
    return CommandApdu(0x80, 0xE0, fid >> 8, fid & 0xFF, bytes((structure,)) + rest)


def create_application(application: ApplicationSpec) -> CommandApdu:
    """CREATE FILE of a DF: 38 space2 create1 erase1 appFileId1 FF FF name. Files and keys in it need administration."""
    rest = struct.pack(">H5B", _SPACE, _ADMINISTRATION, _ADMINISTRATION, _APPLICATION_FILE_ID, _NOT_USED, _NOT_USED)
    return _create(application.fid, Structure.DEDICATED, rest + application.name)


def create_key_file(application: ApplicationSpec) -> CommandApdu:
    """CREATE FILE of the selected DF's key file: 3F space2 DF-SFI1 add1 FF FF."""
    rest = struct.pack(">H4B", _SPACE, application.fid & 0x1F, _ADMINISTRATION, _NOT_USED, _NOT_USED)
    return _create(KEY_FILE, Structure.KEYS, rest)


def create_file(spec: FileSpec) -> CommandApdu:
    """CREATE FILE of an EF: structure, size2 or count1 ‖ length1, read1 write1 FF lineProtKey1."""
    counted = spec.structure in (Structure.FIXED, Structure.CYCLIC)
    size = bytes((spec.count, spec.size)) if counted else spec.size.to_bytes(2, "big")
    access = bytes((access_byte(spec.access.read), access_byte(spec.access.write), _NOT_USED, 0))
    return _create(spec.fid, spec.structure | spec.protection, size + access)


def create_purse(purse: PurseSpec) -> CommandApdu:
    """CREATE FILE of the purse: 2F 02 08 use1 00 FF logSFI1 ‖ limit4 (the limit is ours)."""
    rest = struct.pack(">6BI", 0x02, 0x08, access_byte(purse.load), 0x00, _NOT_USED, purse.log_sfi, purse.limit_minor)
    return _create(purse.fid, Structure.PURSE, rest)


def create_container(container: ContainerSpec) -> CommandApdu:
    """CREATE FILE of the identity application's container: 30 pages1 write1 FF FF FF FF (ours)."""
    rest = bytes((container.pages, access_byte(container.write), *[_NOT_USED] * 4))
    return _create(container.fid, Structure.CONTAINER, rest)


def _counter(tries: int) -> int:
    """High nibble maximum, low nibble remaining; FF is uncounted (ours)."""
    return tries << 4 | tries if tries else _NOT_USED


def key_header(key: KeySpec) -> bytes:
    """The 7 bytes before the key's value."""
    return HEADER.pack(
        key.type, _FREE, _ADMINISTRATION, key.version, key.algorithm, key.next_state, _counter(key.tries)
    )


def pin_header(pin: PinSpec) -> bytes:
    return HEADER.pack(
        KeyType.PIN, _FREE, _ADMINISTRATION, 0, Algorithm.TRIPLE_DES, pin.next_state, _counter(pin.tries)
    )


def _write(
    key_type: KeyType,
    key_id: int,
    cryptogram: bytes,
    *,
    line_key: bytes,
    challenge: bytes,
    update: bool,
    suite: Suite = TRIPLE_DES,
) -> CommandApdu:
    command = CommandApdu(0x84, 0xD4, key_type if update else ADD_KEY, key_id, cryptogram)
    return with_mac(command, line_key, challenge=challenge, suite=suite)


def write_key(
    key: KeySpec,
    value: bytes,
    *,
    line_key: bytes,
    challenge: bytes,
    update: bool = False,
    suite: Suite = TRIPLE_DES,
) -> CommandApdu:
    """WRITE KEY into the selected DF: 84 D4, Lc 24. ``value`` 16 bytes; ``update`` replaces a key of that type and id;
    ``suite`` is the line key's (the written key's own stands in its header)."""
    if len(value) != KEY_LENGTH:
        raise ValueError(f"{key.label} has {len(value)} bytes; a key has {KEY_LENGTH}")
    cryptogram = enciphered(line_key, key_header(key) + value, suite=suite)
    return _write(key.type, key.id, cryptogram, line_key=line_key, challenge=challenge, update=update, suite=suite)


def write_wrapped_key(key: KeySpec, wrapped: bytes, *, line_key: bytes, challenge: bytes) -> CommandApdu:
    """The same where ``wrapped`` is the key already encrypted under ``line_key`` (16 bytes, from ``Vault.wrapped_master``)."""
    if len(wrapped) != KEY_LENGTH:
        raise ValueError(f"{key.label}: the wrapped key has {len(wrapped)} bytes; two cipher blocks are {KEY_LENGTH}")
    header = key_header(key)
    head = TRIPLE_DES.encrypt(line_key, bytes((len(header) + KEY_LENGTH,)) + header)
    tail = TRIPLE_DES.encrypt(line_key, b"\x80" + bytes(7))
    return _write(key.type, key.id, head + wrapped + tail, line_key=line_key, challenge=challenge, update=False)


def write_pin(
    pin: PinSpec, value: bytes, *, line_key: bytes, challenge: bytes, suite: Suite = TRIPLE_DES
) -> CommandApdu:
    """WRITE KEY of a PIN, ``value`` 2 to 6 bytes of BCD, or 8 bytes for the identity application."""
    if len(value) not in PIN_LENGTHS:
        raise ValueError(f"the PIN has {len(value)} bytes; it must have 2 to 6, or 8")
    cryptogram = enciphered(line_key, pin_header(pin) + value, suite=suite)
    return _write(KeyType.PIN, pin.id, cryptogram, line_key=line_key, challenge=challenge, update=False, suite=suite)
