"""Our own card, read the way any card is read, after a load."""

from __future__ import annotations

from card_os.crypto.purse import TransactionType, load_mac2
from card_os.crypto.session import load_session_key
from card_os.engine import ByteCard
from card_os.wire import commands
from card_os.wire import identifiers as names
from hardware.readers.drive import Ports, drive, exchange
from hardware.vault.demonstration import ISSUING_LABELS
from hardware.vault.software import SoftwareVault
from hardware.vault.vault import KeyLabel, MasterKey
from issuing.personalisation.identity import ISSUER
from simulator.softcard.demonstration import areas_memory, demonstration_card, powered
from terminals.dialogues.read_card import read_card

TERMINAL = bytes.fromhex("991000000042")
DATE, TIME = bytes.fromhex("20260915"), bytes.fromhex("081500")
SERIAL = bytes.fromhex("9910000000000007")


def load(card: ByteCard, amount_minor: int) -> None:
    exchange(card, commands.select_name(names.TRANSIT_AID))
    exchange(card, commands.verify_pin(names.PIN, bytes.fromhex("123456")))
    initialize = commands.initialize_for_load(key_id=names.KEY_LOAD, amount_minor=amount_minor, terminal=TERMINAL)
    begun = commands.LoadInitialized.parse(exchange(card, initialize).data)
    key = SoftwareVault.demonstration(ISSUING_LABELS).child_key(MasterKey(KeyLabel.LOAD), [ISSUER, SERIAL])
    session = load_session_key(key, card_random=begun.card_random, online_sequence=begun.online_sequence)
    mac2 = load_mac2(
        session,
        amount_minor=amount_minor,
        transaction_type=TransactionType.LOAD,
        terminal=TERMINAL,
        date=DATE,
        time=TIME,
    )
    assert exchange(card, commands.credit_for_load(date=DATE, time=TIME, mac2=mac2)).sw.value == 0x9000


def test_our_card_tells_number_class_balance_log_and_holder():
    card = demonstration_card(7)
    for amount in (5000, 250):
        load(card, amount)
    card.reset()
    contents = drive(read_card(), Ports(card=card))
    assert contents.transit is not None
    assert contents.transit.public is not None
    assert contents.transit.public.serial == "03109910000000000007"
    assert contents.transit.balance_minor == 5250
    assert [(record.sequence, record.amount_minor, record.type) for record in contents.transit.log] == [
        (1, 250, 2),
        (0, 5000, 2),
    ]
    assert contents.transit.trips == ()
    assert contents.social is not None
    assert contents.social.issuer["card_number"] == "000000078"
    assert contents.social.holder["social_number"] == "11010519491231002X"


def test_the_public_area_of_a_full_card_is_read_and_the_others_are_left_alone():
    memory = areas_memory(7)
    contents = drive(read_card(), Ports(card=powered(memory, 7)))
    (area,) = contents.areas
    assert area.fid == 0xDF01
    assert set(area.files) >= {"household", "residence", "education"}
    assert not any(area.files.values())
    assert drive(read_card(), Ports(card=demonstration_card(7))).areas == ()
