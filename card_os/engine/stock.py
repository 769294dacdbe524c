"""A card and a SAM as they come from the factory: an MF with the transport keys, nothing else."""

from __future__ import annotations

from dataclasses import replace

from card_os.crypto.suites import Algorithm
from card_os.engine.card import Card
from card_os.engine.context import Random
from card_os.engine.files import FileSystem
from card_os.engine.memory import Memory
from card_os.engine.store import Store
from card_os.profile.access import Level, access_byte
from card_os.profile.citizen import master_file_keys
from card_os.profile.files import Structure
from card_os.profile.personalisation import KEY_LENGTH, key_header
from card_os.wire.identifiers import KEY_FILE, MASTER_FILE, MASTER_FILE_NAME

_ADMINISTRATION = access_byte(Level.ADMINISTRATION)
_NEVER = access_byte(Level.NEVER)


def blank_card(
    memory: Memory,
    chip_serial: bytes,
    transport_key: bytes,
    random: Random,
    algorithm: Algorithm = Algorithm.TRIPLE_DES,
) -> Card:
    """``transport_key``: the 16-byte child of the transport master at ``chip_serial`` (8 bytes), as 39/00 and 36/00;
    ``algorithm`` is what both are used with."""
    if len(transport_key) != KEY_LENGTH:
        raise ValueError(f"the transport key has {len(transport_key)} bytes; it must have {KEY_LENGTH}")
    files = FileSystem(Store.format(memory, chip_serial))
    files.create_directory(MASTER_FILE, MASTER_FILE_NAME, _ADMINISTRATION)
    files.create_file(
        files.master_file, structure=Structure.KEYS, fid=KEY_FILE, read=_NEVER, write=_ADMINISTRATION, size=0
    )
    for key in master_file_keys("transport"):
        files.add_key(files.master_file, key.id, key_header(replace(key, algorithm=algorithm)), transport_key)
    return Card(memory, random)


blank_sam = blank_card
"""A SAM's chip is the same; its files and keys make the difference."""
