"""The cards the kit speaks to when it may make its own: each time as they left the office."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import cache
from random import Random

from card_os.engine.bytecard import ByteCard, Protocol
from card_os.engine.card import Card
from card_os.engine.context import Context
from card_os.engine.files import FileSystem
from card_os.engine.purse import purse_of, stored
from card_os.engine.state import Session
from card_os.engine.stock import blank_card
from card_os.engine.store import Store
from card_os.profile.access import Level
from card_os.profile.files import KeySpec, KeyType, PurseSpec
from card_os.profile.personalisation import create_file, create_purse, write_key
from card_os.profile.psam import HOSPITAL_SAM, TRANSIT_SAM
from card_os.profile.transit import TRANSIT
from card_os.wire import commands
from card_os.wire.commands import ELECTRONIC_PURSE
from card_os.wire.dialogue import Dialogue, ask_card
from card_os.wire.identifiers import DEPOSIT_FILE, KEY_LOAD, KEY_MASTER_FILE, MASTER_FILE, SFI_LOG
from hardware.readers.drive import Ports, drive
from hardware.vault.demonstration import ISSUING_LABELS
from hardware.vault.software import SoftwareVault
from hardware.vault.vault import KeyLabel, MasterKey
from issuing.personalisation.dialogue import authenticate
from issuing.personalisation.identity import ISSUER
from simulator.conformance.kit_files import CardKind
from simulator.conformance.sm4_card import sm4_memory
from simulator.softcard.demonstration import areas_memory, demonstration_memory, identity_memory
from simulator.softcard.demonstration_sams import demonstration_sam_memory
from simulator.softcard.keys import VisibleKeys
from simulator.softcard.memory import CardMemory

NUMBER = 1
DEPOSIT_LOG = 0x10
DEPOSIT_LIMIT_MINOR = 50_000
_LAST_SEQUENCE = 0xFFFF
PUBLISHED_KEY = bytes.fromhex("11223344556677888877665544332211")
"""Load and purchase key of the published PBOC examples (cnblogs ttss p/4280376, p/4280430; shared/card/vectors.json)."""


def make_card(kind: CardKind, random: bytes) -> ByteCard:
    """A card in its first state; ``random`` is what its random source repeats, or empty for a seeded one."""
    source = _repeating(random) if random else Random(NUMBER).randbytes
    protocol = Protocol.T1 if kind is CardKind.CONTACT_T1 else Protocol.T0
    return ByteCard(Card(CardMemory(cells(kind)), source, key_maker=VisibleKeys(NUMBER)), protocol)


@cache
def cells(kind: CardKind) -> bytes:
    """Its memory in its first state."""
    return _MAKERS[kind]().content


def _repeating(pattern: bytes) -> Callable[[int], bytes]:
    return lambda length: (pattern * (length // len(pattern) + 1))[:length]


def _blank() -> CardMemory:
    memory, chip = CardMemory(), NUMBER.to_bytes(8, "big")
    vault = SoftwareVault.demonstration(ISSUING_LABELS)
    blank_card(memory, chip, vault.child_key(MasterKey(KeyLabel.TRANSPORT), [chip]), Random(NUMBER).randbytes)
    return memory


def _with_published_key() -> CardMemory:
    memory = demonstration_memory(NUMBER)
    card = ByteCard(Card(memory, Random(NUMBER).randbytes))
    drive(_replace_keys(_maintenance()), Ports(card=card))
    return memory


def _maintenance() -> bytes:
    factors = [ISSUER, bytes.fromhex(f"9910{NUMBER:012d}")]
    return SoftwareVault.demonstration(ISSUING_LABELS).child_key(MasterKey(KeyLabel.MAINTENANCE), factors)


def _replace_keys(maintenance: bytes) -> Dialogue[None]:
    yield from ask_card(commands.select_fid(MASTER_FILE))
    yield from authenticate(KEY_MASTER_FILE, maintenance)
    yield from ask_card(commands.select_fid(TRANSIT.fid))
    for key in TRANSIT.keys:
        if key.type in (KeyType.LOAD, KeyType.PURCHASE):
            challenge = (yield from ask_card(commands.get_challenge())).data
            command = write_key(key, PUBLISHED_KEY, line_key=maintenance, challenge=challenge, update=True)
            yield from ask_card(command)


def _with_deposit() -> CardMemory:
    memory = _with_published_key()
    drive(_add_deposit(_maintenance()), Ports(card=ByteCard(Card(memory, Random(NUMBER).randbytes))))
    return memory


def _add_deposit(maintenance: bytes) -> Dialogue[None]:
    yield from ask_card(commands.select_fid(MASTER_FILE))
    yield from authenticate(KEY_MASTER_FILE, maintenance)
    yield from ask_card(commands.select_fid(TRANSIT.fid))
    yield from ask_card(create_file(replace(TRANSIT.file(SFI_LOG), fid=DEPOSIT_LOG)))
    account = PurseSpec(fid=DEPOSIT_FILE, load=Level.PIN, log_sfi=DEPOSIT_LOG, limit_minor=DEPOSIT_LIMIT_MINOR)
    yield from ask_card(create_purse(account))
    for key_type in (KeyType.UNLOAD, KeyType.OVERDRAFT):
        challenge = (yield from ask_card(commands.get_challenge())).data
        key = KeySpec(label="published", type=key_type, id=KEY_LOAD)
        yield from ask_card(write_key(key, PUBLISHED_KEY, line_key=maintenance, challenge=challenge))


def _worn_out() -> CardMemory:
    """No card gets there by tapping in a test: 65,535 transactions each way."""
    memory = demonstration_memory(NUMBER)
    store = Store(memory)
    files = FileSystem(store)
    directory = next(each for each in files.directories if each.fid == TRANSIT.fid)
    file, purse = purse_of(Context(store, files, Session(directory), bytes), ELECTRONIC_PURSE)
    worn = purse._replace(online_sequence=_LAST_SEQUENCE, offline_sequence=_LAST_SEQUENCE)
    store.commit([stored(file, worn)])
    return memory


_MAKERS: dict[CardKind, Callable[[], CardMemory]] = {
    CardKind.T_UNION: lambda: demonstration_memory(NUMBER),
    CardKind.CITIZEN: lambda: demonstration_memory(NUMBER),
    CardKind.PUBLISHED_KEY: _with_published_key,
    CardKind.DEPOSIT: _with_deposit,
    CardKind.SM4: lambda: sm4_memory(NUMBER),
    CardKind.AREAS: lambda: areas_memory(NUMBER),
    CardKind.CONTACT_T1: lambda: demonstration_memory(NUMBER),
    CardKind.WORN_OUT: _worn_out,
    CardKind.TRANSIT_SAM: lambda: demonstration_sam_memory(TRANSIT_SAM, NUMBER),
    CardKind.HOSPITAL_SAM: lambda: demonstration_sam_memory(HOSPITAL_SAM, NUMBER),
    CardKind.BLANK: _blank,
    CardKind.PIV: lambda: identity_memory(NUMBER),
    CardKind.IDENTITY: lambda: identity_memory(NUMBER),
}
