"""Keys, files, locks, PIN reload: what the issuer does, and what it is refused."""

from __future__ import annotations

from dataclasses import replace

import pytest

from card_os.crypto.mac import fold, pad80
from card_os.crypto.secure_messaging import with_mac
from card_os.crypto.suites import TRIPLE_DES
from card_os.profile import personalisation as perso
from card_os.profile.files import KeySpec, KeyType
from card_os.profile.transit import TRANSIT
from card_os.wire import commands as cmd
from card_os.wire import identifiers as names
from card_os.wire.apdu import CommandApdu

NEW_KEY = KeySpec(label="purchase", type=KeyType.PURCHASE, id=2, version=2)


@pytest.fixture
def opened(card, kit):
    """The transit DF of a card whose MF is open to the issuer."""
    card.authenticate(0, kit.child("maintenance"))
    card.send(cmd.select_name(names.TRANSIT_AID))
    return card


def test_a_second_key_version_is_added_and_used(opened, kit):
    opened.write_key(NEW_KEY, b"K" * 16, kit.child("maintenance"))
    answer = opened.send(cmd.initialize_for_purchase(key_id=2, amount_minor=0, terminal=kit.TERMINAL))
    assert cmd.PurchaseInitialized.parse(answer).key_version == 2


def test_an_existing_key_is_not_added_but_replaced(opened, kit):
    line_key = kit.child("maintenance")
    challenge = opened.send(cmd.get_challenge(8))
    existing = replace(NEW_KEY, id=1)
    opened.send(perso.write_key(existing, b"K" * 16, line_key=line_key, challenge=challenge), 0x6A89)
    opened.write_key(existing, b"K" * 16, line_key, update=True)
    answer = opened.send(cmd.initialize_for_purchase(key_id=1, amount_minor=0, terminal=kit.TERMINAL))
    assert cmd.PurchaseInitialized.parse(answer).key_version == 2
    challenge = opened.send(cmd.get_challenge(8))
    missing = replace(NEW_KEY, id=9)
    opened.send(perso.write_key(missing, b"K" * 16, line_key=line_key, challenge=challenge, update=True), 0x6A88)


def test_a_key_under_a_wrong_line_key_is_refused_and_five_block_it(opened, kit):
    for _ in range(5):
        challenge = opened.send(cmd.get_challenge(8))
        opened.send(perso.write_key(NEW_KEY, b"K" * 16, line_key=b"W" * 16, challenge=challenge), 0x6988)
    challenge = opened.send(cmd.get_challenge(8))
    opened.send(perso.write_key(NEW_KEY, b"K" * 16, line_key=kit.child("maintenance"), challenge=challenge), 0x6983)


def test_a_replayed_key_load_is_refused(opened, kit):
    challenge = opened.send(cmd.get_challenge(8))
    command = perso.write_key(NEW_KEY, b"K" * 16, line_key=kit.child("maintenance"), challenge=challenge)
    opened.send(command)
    opened.send(command, 0x6984)
    opened.send(cmd.get_challenge(8))
    opened.send(replace(command, p2=3), 0x6988)


def test_a_key_load_of_wrong_content_is_refused(opened, kit):
    line_key = kit.child("maintenance")
    for plain in (bytes(23), bytes.fromhex("3EF0FA010000FF") + bytes(8), b""):
        cryptogram = kit.encrypt_ecb(line_key, pad80(bytes((len(plain),)) + plain))
        challenge = opened.send(cmd.get_challenge(8))
        opened.send(with_mac(CommandApdu(0x84, 0xD4, 1, 2, cryptogram), line_key, challenge=challenge), 0x6A80)


@pytest.mark.parametrize(
    ("data", "sw"),
    [
        ("28001EF0F0FF00", 0x9000),
        ("2A0210F0F0FF00", 0x9000),
        ("2A0010F0F0FF00", 0x6A80),
        ("28FFFFF0F0FF00", 0x6A84),
        ("99001EF0F0FF00", 0x6A80),
        ("28001EF0F0FF0000", 0x6A80),
        ("380800FAFA95FFFF4142434445", 0x6A80),
    ],
    ids=["transparent", "fixed", "no records", "too large", "no structure", "too long", "DF in a DF"],
)
def test_create_file(opened, data, sw):
    command = CommandApdu(0x80, 0xE0, 0x00, 0x0B, bytes.fromhex(data))
    opened.send(command, sw)
    if sw == 0x9000:
        opened.send(command, 0x6A89)


def test_a_fixed_file_takes_its_count_of_records_and_keeps_their_order(opened):
    opened.send(CommandApdu(0x80, 0xE0, 0x00, 0x0B, bytes.fromhex("2A0202F0F0FF00")))
    opened.send(cmd.read_record(0x0B, 1), 0x6A83)
    opened.send(cmd.append_record(0x0B, b"11"))
    opened.send(cmd.append_record(0x0B, b"22"))
    opened.send(cmd.append_record(0x0B, b"33"), 0x6A84)
    opened.send(cmd.update_record(0x0B, 2, b"44"))
    assert opened.send(cmd.read_record(0x0B, 1)) + opened.send(cmd.read_record(0x0B, 2)) == b"1144"


def test_a_variable_file_is_full_at_its_size(opened):
    opened.send(CommandApdu(0x80, 0xE0, 0x00, 0x0C, bytes.fromhex("2C0008F0F0FF00")))
    opened.send(cmd.append_record(0x0C, b"abc"))
    opened.send(cmd.append_record(0x0C, b"defg"), 0x6A84)
    opened.send(cmd.append_record(0x0C, b"def"))
    opened.send(cmd.update_record(0x0C, 1, b"xy"), 0x6700)
    assert opened.send(cmd.read_record(0x0C, 2)) == b"def"


def test_a_cyclic_file_forgets_its_oldest(card, transit_sam, kit):
    card.send(cmd.select_name(names.TRANSIT_AID))
    for _ in range(12):
        kit.purchase(card, transit_sam, 0)
    sequences = [int.from_bytes(card.send(cmd.read_record(names.SFI_LOG, n))[:2], "big") for n in range(1, 11)]
    assert sequences == list(range(11, 1, -1))
    card.send(cmd.read_record(names.SFI_LOG, 11), 0x6A83)


def lock(card, kit, command: CommandApdu, sw: int = 0x9000) -> None:
    challenge = card.send(cmd.get_challenge(4))
    card.send(with_mac(command, kit.child("maintenance"), challenge=challenge), sw)


BLOCK = CommandApdu(0x84, 0x1E, 0, 0)
BLOCK_FOR_GOOD = CommandApdu(0x84, 0x1E, 0, 1)
UNBLOCK = CommandApdu(0x84, 0x18, 0, 0)


def test_a_locked_application_pays_nothing_until_unlocked(card, kit):
    card.send(cmd.select_name(names.TRANSIT_AID))
    ask = cmd.initialize_for_purchase(key_id=1, amount_minor=0, terminal=kit.TERMINAL)
    lock(card, kit, BLOCK)
    card.send(ask, 0x6985)
    card.send(cmd.select_name(names.TRANSIT_AID), 0x6283)
    card.send(cmd.get_balance(), 0x6985)
    assert card.send(cmd.read_binary(0x15, length=2)) == kit.ISSUER[:2]
    lock(card, kit, UNBLOCK)
    card.send(ask)


def test_a_lock_for_good_stays(card, kit):
    card.send(cmd.select_name(names.TRANSIT_AID))
    lock(card, kit, BLOCK_FOR_GOOD)
    card.send(cmd.get_balance(), 0x9303)
    lock(card, kit, UNBLOCK, 0x9303)
    card.card.reset()
    card.send(cmd.select_name(names.TRANSIT_AID), 0x9303)
    card.send(cmd.select_name(names.SOCIAL_AID))


def test_a_lock_needs_its_mac(card, kit):
    card.send(cmd.select_name(names.TRANSIT_AID))
    card.send(BLOCK, 0x6984)
    card.send(cmd.get_challenge(4))
    card.send(BLOCK, 0x6987)
    card.send(cmd.get_challenge(4))
    card.send(replace(BLOCK, data=bytes(4)), 0x6988)
    card.send(cmd.get_balance())


def test_update_binary_with_mac(card, kit):
    card.send(cmd.select_name(names.TRANSIT_AID))
    card.authenticate(names.KEY_APPLICATION, kit.child("application"))
    challenge = card.send(cmd.get_challenge(8))
    command = with_mac(cmd.update_binary(0x17, b"\x03", offset=10), kit.child("maintenance"), challenge=challenge)
    card.send(command)
    assert card.send(cmd.read_binary(0x17, offset=10, length=1)) == b"\x03"
    card.send(cmd.get_challenge(8))
    card.send(command, 0x6988)


def test_the_issuer_reloads_a_blocked_pin(card, kit):
    card.send(cmd.select_name(names.TRANSIT_AID))
    for _ in range(3):
        card.card.transmit(cmd.verify_pin(0, bytes.fromhex("000000")))
    new = bytes.fromhex("2468")
    mac = TRIPLE_DES.transaction_mac(fold(kit.child("pin-reload")), new)
    card.send(CommandApdu(0x80, 0x5E, 0, 0, new + bytes(4)), 0x63C4)
    card.send(CommandApdu(0x80, 0x5E, 0, 0, new + mac))
    card.send(cmd.verify_pin(0, new))


def test_what_stands_in_the_purse_is_not_readable_as_a_file(card):
    card.send(cmd.select_name(names.TRANSIT_AID))
    assert TRANSIT.purse is not None
    card.send(cmd.read_binary(TRANSIT.purse.fid & 0x1F), 0x6A82)
    card.send(cmd.select_fid(TRANSIT.purse.fid))
    card.send(CommandApdu(0x00, 0xB0, 0, 0, ne=256), 0x6981)
    card.send(cmd.select_fid(names.KEY_FILE))
    card.send(CommandApdu(0x00, 0xB0, 0, 0, ne=256), 0x6981)
    card.send(CommandApdu(0x00, 0xB2, 1, 4, ne=256), 0x6981)
