"""T=1 beside T=0: the same card answers the same data and words, only the way of the data differs."""

from __future__ import annotations

import pytest

from card_os.crypto.secure_messaging import with_mac
from card_os.engine import ByteCard, Card, Protocol
from card_os.profile import personalisation as perso
from card_os.profile.transit import TRANSIT
from card_os.wire import commands as cmd
from card_os.wire import identifiers as names
from card_os.wire.apdu import CommandApdu
from card_os.wire.atr import chip_serial, historical_bytes
from hardware.readers.drive import exchange
from simulator.softcard.memory import CardMemory

SELECT = "00A4040008A000000632010105"
LONG = 700


@pytest.fixture
def t1(card_memory, kit) -> ByteCard:
    return ByteCard(Card(card_memory, kit.counting_random()), Protocol.T1)


def send(card: ByteCard, text: str) -> str:
    return card.transmit(bytes.fromhex(text)).hex().upper()


def test_the_atr_offers_t1_and_carries_the_chip_serial(t1, byte_card, kit):
    assert chip_serial(t1.atr) == kit.CHIP == chip_serial(byte_card.atr)
    assert historical_bytes(t1.atr) == historical_bytes(byte_card.atr)
    check = 0
    for byte in t1.atr[1:]:
        check ^= byte
    assert check == 0
    assert t1.reset() == t1.atr


@pytest.mark.parametrize(
    ("command", "answer"),
    [
        ("00B0950000", None),
        ("00B095001E", None),
        ("00B0950002", "01999000"),
        ("00B095001F", "6282"),
        ("00B0951D02", "006282"),
        ("00B0951E01", "6B00"),
        ("00B095000000", "6700"),
        ("00B09500000002", "01999000"),
        ("00B0950000001F", "6282"),
        ("00B201D410", None),
        ("805C000204", "000000009000"),
        ("805C0002", "9000"),
        ("805C000202", "00009000"),
        ("805C000200", "000000009000"),
        ("00C0000000", "6D00"),
        ("00B0940000", "6A82"),
    ],
)
def test_answers_come_at_once(t1, byte_card, command, answer):
    send(t1, SELECT)
    got = send(t1, command)
    if answer is None:
        answer = got
        assert got.endswith("9000")
        assert len(got) > 4
    assert got.endswith(answer)
    assert not got.startswith(("61", "6C"))


def test_without_le_there_is_no_data(t1):
    assert send(t1, SELECT) == "9000"
    assert send(t1, SELECT + "00").startswith("6F")


def test_a_secured_reading_is_not_repeated(t1, kit):
    """Its challenge serves once, so the layer must get the whole answer at the first go."""
    send(t1, SELECT)
    challenge = bytes.fromhex(send(t1, "0084000008"))[:-2]
    command = with_mac(cmd.read_binary(0x15, length=34), kit.child("maintenance"), challenge=challenge)
    assert len(t1.transmit(command.encode())) == 34 + 2


@pytest.mark.parametrize("protocol", Protocol)
def test_drive_gets_the_same_from_both(card_memory, kit, protocol):
    card = ByteCard(Card(CardMemory(card_memory.content), kit.counting_random()), protocol)
    assert exchange(card, cmd.select_name(names.TRANSIT_AID)).data.startswith(b"\x6f")
    for command in (cmd.read_binary(0x15), cmd.read_binary(0x17), cmd.read_record(0x1A, 1), cmd.get_balance()):
        answer = exchange(card, command)
        assert answer.sw.value == 0x9000
        assert answer.data


def test_extended_lengths(card, card_memory, kit):
    """A file longer than a short answer: T=1 writes and reads it at once, T=0 in parts."""
    card.authenticate(names.KEY_MASTER_FILE, kit.child("maintenance"))
    card.send(cmd.select_name(names.TRANSIT_AID))
    card.send(perso.create_file(kit.replace(TRANSIT.file(0x15), fid=0x000B, size=LONG)))
    content = bytes(range(256)) * 3
    card.authenticate(names.KEY_APPLICATION, kit.child("application"))
    card.send(CommandApdu(0, 0xD6, 0x8B, 0, content[:LONG]))
    t1 = ByteCard(Card(card_memory, kit.counting_random()), Protocol.T1)
    send(t1, SELECT)
    assert t1.transmit(CommandApdu(0, 0xB0, 0x8B, 0, ne=65536).encode()) == content[:LONG] + b"\x90\x00"
    assert t1.transmit(CommandApdu(0, 0xB0, 0x8B, 0, ne=600).encode()) == content[:600] + b"\x90\x00"
    assert t1.transmit(CommandApdu(0, 0xB0, 0x8B, 0, ne=256).encode()) == content[:256] + b"\x90\x00"
    assert t1.transmit(CommandApdu(0, 0xB0, 0x8B, 200, ne=501).encode()) == content[200:LONG] + b"\x62\x82"
    t0 = ByteCard(Card(card_memory, kit.counting_random()))
    send(t0, SELECT)
    assert exchange(t0, cmd.read_binary(0x0B)).data == content[:256]


def test_what_is_longer_than_the_journal_is_refused(card, kit):
    card.authenticate(names.KEY_MASTER_FILE, kit.child("maintenance"))
    card.send(cmd.select_name(names.TRANSIT_AID))
    card.send(perso.create_file(kit.replace(TRANSIT.file(0x15), fid=0x000B, size=3000)))
    card.authenticate(names.KEY_APPLICATION, kit.child("application"))
    card.send(CommandApdu(0, 0xD6, 0x8B, 0, bytes(2500)), 0x6700)
    card.send(CommandApdu(0, 0xD6, 0x8B, 0, bytes(1900)))
