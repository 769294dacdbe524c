"""Make the golden images of one release: ``make_images.py v0.1``. Run once for each release; a released folder never changes.

Each image has an entry in ``expected.json``: commands and what the card must answer to them for ever after a power-up
(for a SELECT the status word alone).
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from random import Random

from card_os.crypto import purse as macs
from card_os.crypto.purse import TransactionType
from card_os.crypto.session import load_session_key
from card_os.engine import ByteCard, Card, PowerLost, blank_card
from card_os.profile.identity import DATA_OBJECTS
from card_os.profile.psam import HOSPITAL_SAM, TRANSIT_SAM
from card_os.profile.social_areas import SOCIAL_AREAS
from card_os.profile.transit import TRIP_RECORD, TripRecord
from card_os.wire import commands as cmd
from card_os.wire import identifiers as names
from card_os.wire.identity import IDENTITY_AID, chained, padded
from hardware.readers.drive import exchange
from hardware.vault.demonstration import ISSUING_LABELS
from hardware.vault.software import SoftwareVault
from hardware.vault.vault import KeyLabel, MasterKey
from issuing.personalisation.identity import ISSUER
from simulator.conformance.cards import DEPOSIT_LOG, PUBLISHED_KEY, cells
from simulator.conformance.kit_files import CardKind
from simulator.conformance.sm4_card import sm4_memory
from simulator.softcard.demonstration import areas_memory, demonstration_memory, identity_memory
from simulator.softcard.demonstration_sams import demonstration_sam_memory
from simulator.softcard.images import CardImage, save
from simulator.softcard.memory import CardMemory

FOLDER = Path(__file__).parent
NUMBER = 7
TERMINAL = bytes.fromhex("991000000001")
DATE, TIME = bytes.fromhex("20260915"), bytes.fromhex("081500")
SERIAL = bytes.fromhex(f"9910{NUMBER:012d}")
VAULT = SoftwareVault.demonstration(ISSUING_LABELS)
TRIP = TRIP_RECORD.encode(
    TripRecord(
        type=2,
        terminal=TERMINAL,
        industry=2,
        amount_minor=200,
        balance_minor=4800,
        time="20260915081500",
        city="1000",
        institution=ISSUER,
    )
)

DEPOSIT = 0x01
SELECT_TRANSIT = cmd.select_name(names.TRANSIT_AID)
DIRECTORY_READS = tuple(
    command
    for name in (names.MASTER_FILE_NAME, names.PPSE_NAME)
    for command in (cmd.select_name(name), cmd.read_record(names.SFI_DIRECTORY, 1))
)
SELECT_SOCIAL = cmd.select_name(names.SOCIAL_AID)
CITIZEN_READS = (
    *DIRECTORY_READS,
    SELECT_TRANSIT,
    *(cmd.read_binary(sfi) for sfi in (0x15, 0x16, 0x17)),
    *(cmd.read_record(sfi, number) for sfi in (0x18, 0x1A, 0x1E) for number in (1, 2, 3)),
    cmd.get_balance(),
    cmd.get_transaction_prove(transaction_type=2, sequence=0),
    cmd.get_transaction_prove(transaction_type=6, sequence=0),
    cmd.get_transaction_prove(transaction_type=9, sequence=1),
    cmd.initialize_for_load(key_id=1, amount_minor=0, terminal=TERMINAL),
    cmd.initialize_for_purchase(key_id=1, amount_minor=0, terminal=TERMINAL),
    cmd.verify_pin(0, bytes.fromhex("999999")),
    cmd.verify_pin(0, bytes.fromhex("123456")),
    cmd.read_binary(0x16),
    SELECT_SOCIAL,
    *(cmd.read_record(sfi, number) for sfi in (5, 6) for number in range(1, 8)),
    cmd.internal_authenticate(0, b"random-1", b"random-2"),
)
AREA_READS = (
    *(cmd.select_name(area.name) for area in SOCIAL_AREAS),
    *(command for area in SOCIAL_AREAS[:2] for command in (cmd.select_fid(area.fid), cmd.read_binary(5))),
)
DEPOSIT_READS = (
    SELECT_TRANSIT,
    cmd.get_balance(purse=DEPOSIT),
    cmd.get_transaction_prove(transaction_type=1, sequence=0),
    cmd.read_record(DEPOSIT_LOG, 1),
)
SM4_READS = (
    *DIRECTORY_READS,
    cmd.select_name(names.TRANSIT_AID_SM4),
    *(cmd.read_binary(sfi) for sfi in (0x15, 0x17)),
    cmd.get_balance(),
    cmd.verify_pin(0, bytes.fromhex("123456")),
    cmd.initialize_for_load(key_id=1, amount_minor=100, terminal=TERMINAL),
    cmd.initialize_for_purchase(key_id=1, amount_minor=0, terminal=TERMINAL),
    SELECT_SOCIAL,
    cmd.internal_authenticate(0, b"random-1", b"random-2"),
)
TRANSIT_SAM_READS = (
    cmd.select_fid(names.MASTER_FILE),
    cmd.read_binary(0x15),
    cmd.read_binary(0x16),
    cmd.select_fid(names.TRANSIT_SAM_DF),
    cmd.read_binary(0x17),
    cmd.read_binary(0x18),
)
HOSPITAL_SAM_READS = (
    cmd.select_fid(names.SOCIAL_SAM_DF),
    cmd.sam_social_session(card_factor=bytes(8), city_factor=b"110000sx", random=b"random-1"),
    cmd.sam_encrypt(b"random-2"),
)
BLOCK = b"\x00\x01" + b"\xff" * 234 + b"\x00" + b"what is signed is one block"[:19]
SIGN = bytes.fromhex("7C82010682008182") + len(BLOCK).to_bytes(2, "big") + BLOCK
IDENTITY_READS = (
    cmd.select_name(IDENTITY_AID),
    *(cmd.CommandApdu(0x00, 0xCB, 0x3F, 0xFF, bytes.fromhex(f"5C03{tag:06X}"), 65536) for tag in DATA_OBJECTS),
    cmd.CommandApdu(0x00, 0x20, 0x00, 0x80, padded("654321")),
    cmd.CommandApdu(0x00, 0x20, 0x00, 0x80, padded("123456")),
    # RSA PKCS#1 v1.5 is the same signature every time: the private key is still the same one
    *chained(cmd.CommandApdu(0x00, 0x87, 0x07, 0x9C, SIGN, 65536)),
)


def powered(memory: CardMemory) -> ByteCard:
    return ByteCard(Card(memory, Random(NUMBER).randbytes))


def load(
    card: ByteCard, amount: int, *, key: bytes, purse: int = cmd.ELECTRONIC_PURSE, kind: int = TransactionType.LOAD
) -> None:
    exchange(card, SELECT_TRANSIT)
    exchange(card, cmd.verify_pin(0, bytes.fromhex("123456")))
    initialize = cmd.initialize_for_load(key_id=1, amount_minor=amount, terminal=TERMINAL, purse=purse)
    begun = cmd.LoadInitialized.parse(exchange(card, initialize).data)
    session_key = load_session_key(key, card_random=begun.card_random, online_sequence=begun.online_sequence)
    mac2 = macs.load_mac2(
        session_key, amount_minor=amount, transaction_type=kind, terminal=TERMINAL, date=DATE, time=TIME
    )
    assert exchange(card, cmd.credit_for_load(date=DATE, time=TIME, mac2=mac2)).sw.value == 0x9000


def debit_command(card: ByteCard, sam: ByteCard, amount: int, *, compound: bool) -> cmd.CommandApdu:
    initialize = cmd.initialize_for_compound_purchase if compound else cmd.initialize_for_purchase
    begun = cmd.PurchaseInitialized.parse(
        exchange(card, initialize(key_id=1, amount_minor=amount, terminal=TERMINAL)).data
    )
    kind = TransactionType.COMPOUND if compound else TransactionType.PURCHASE
    exchange(sam, cmd.select_fid(names.TRANSIT_SAM_DF))
    request = cmd.sam_initialize_for_purchase(
        card=begun, amount_minor=amount, transaction_type=kind, date=DATE, time=TIME, serial=SERIAL, issuer=ISSUER
    )
    permit = cmd.SamInitialized.parse(exchange(sam, request).data)
    if compound:
        exchange(card, cmd.cache_trip(TRIP))
    return cmd.debit(terminal_sequence=permit.terminal_sequence, date=DATE, time=TIME, mac1=permit.mac1)


def purchase(card: ByteCard, sam: ByteCard, amount: int, *, compound: bool) -> None:
    answer = exchange(card, debit_command(card, sam, amount, compound=compound))
    mac2 = cmd.Debited.parse_debit(answer.data).mac2
    assert exchange(sam, cmd.sam_credit_for_purchase(mac2)).sw.value == 0x9000


def states() -> dict[str, tuple[CardMemory, tuple[cmd.CommandApdu, ...]]]:
    blank = CardMemory()
    chip = NUMBER.to_bytes(8, "big")
    blank_card(blank, chip, VAULT.child_key(MasterKey(KeyLabel.TRANSPORT), [chip]), Random(NUMBER).randbytes)
    fresh = demonstration_memory(NUMBER)
    sam_memory = demonstration_sam_memory(TRANSIT_SAM, 1)
    used, sam = CardMemory(fresh.content), powered(sam_memory)
    card = powered(used)
    load(card, 5000, key=VAULT.child_key(MasterKey(KeyLabel.LOAD), [ISSUER, SERIAL]))
    purchase(card, sam, 300, compound=False)
    purchase(card, sam, 200, compound=True)
    exchange(card, cmd.verify_pin(0, bytes.fromhex("654321")))
    return {
        "blank": (blank, (cmd.select_fid(names.MASTER_FILE), SELECT_TRANSIT)),
        "citizen-fresh": (fresh, CITIZEN_READS),
        "citizen-used": (used, CITIZEN_READS),
        "citizen-torn-before-commit": (torn(used, sam, 20), CITIZEN_READS),
        "citizen-torn-after-commit": (torn(used, sam, 180), CITIZEN_READS),
        "citizen-areas": (areas_memory(NUMBER), (*CITIZEN_READS, *AREA_READS)),
        "citizen-deposit-used": (deposit(), (*DEPOSIT_READS, *CITIZEN_READS)),
        "citizen-sm4": (sm4_memory(NUMBER), SM4_READS),
        "citizen-identity": (identity_memory(NUMBER), (*CITIZEN_READS, *IDENTITY_READS)),
        "transit-psam": (sam_memory, TRANSIT_SAM_READS),
        "hospital-psam": (demonstration_sam_memory(HOSPITAL_SAM, 2), HOSPITAL_SAM_READS),
    }


def deposit() -> CardMemory:
    """Something was loaded into its deposit account."""
    memory = CardMemory(cells(CardKind.DEPOSIT))
    load(powered(memory), 2500, key=PUBLISHED_KEY, purse=DEPOSIT, kind=TransactionType.DEPOSIT_LOAD)
    return memory


def torn(memory: CardMemory, sam: ByteCard, byte_count: int) -> CardMemory:
    """A compound debit whose write lost power after ``byte_count`` bytes."""
    copy = CardMemory(memory.content)
    card = powered(copy)
    exchange(card, SELECT_TRANSIT)
    debit = debit_command(card, sam, 200, compound=True)
    copy.cut_after(byte_count)
    try:
        card.transmit(debit.encode())
    except PowerLost:
        return CardMemory(copy.content)
    raise AssertionError(f"a debit of at most {byte_count} bytes")


def answers(memory: CardMemory, reads: tuple[cmd.CommandApdu, ...]) -> list[list[str]]:
    card = powered(CardMemory(memory.content))
    return [[read.encode().hex().upper(), card.transmit(read.encode()).hex().upper()] for read in reads]


def main(release: str) -> None:
    folder = FOLDER / release
    folder.mkdir(parents=True)
    expected = {}
    for name, (memory, reads) in states().items():
        save(CardImage.of(memory), folder / f"{name}.img")
        expected[name] = {"random_seed": NUMBER, "exchanges": answers(memory, reads)}
    (folder / "expected.json").write_text(json.dumps(expected, indent=1) + "\n")


if __name__ == "__main__":
    main(*sys.argv[1:])
