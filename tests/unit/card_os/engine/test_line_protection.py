"""Files with line protection: MAC, encryption, both; reading with MAC; PIN UNBLOCK; ERASE DF; CARD BLOCK."""

from __future__ import annotations

from dataclasses import replace

import pytest

from card_os.crypto.secure_messaging import deciphered, enciphered, with_mac
from card_os.crypto.suites import TRIPLE_DES
from card_os.engine import PowerLost
from card_os.profile import personalisation as perso
from card_os.profile.files import Protection, Structure
from card_os.profile.social_security import SOCIAL_SECURITY
from card_os.profile.transit import TRANSIT
from card_os.wire import commands as cmd
from card_os.wire import identifiers as names
from card_os.wire.apdu import CommandApdu

TEXT = bytes(range(20))
BASE = replace(TRANSIT.file(names.SFI_PUBLIC), fid=0x000B, size=20)
RECORDS = replace(BASE, structure=Structure.VARIABLE, size=60)
MAC, ENCIPHERED = Protection.MAC, Protection.ENCIPHERED


@pytest.fixture
def key(kit):
    return kit.child("maintenance")


@pytest.fixture
def opened(card, kit, key):
    """With the rights to create and to write."""
    card.authenticate(names.KEY_MASTER_FILE, key)
    card.send(cmd.select_name(names.TRANSIT_AID))
    card.authenticate(names.KEY_APPLICATION, kit.child("application"))
    return card


def secured(card, command: CommandApdu, key: bytes) -> tuple[CommandApdu, bytes]:
    """The command with its MAC, and the challenge it was made with."""
    challenge = card.send(cmd.get_challenge(4))
    return with_mac(command, key, challenge=challenge), challenge


def send(card, command: CommandApdu, key: bytes, protection: Protection, sw: int = 0x9000) -> None:
    """A writing command as the file wants it."""
    if ENCIPHERED in protection:
        command = replace(command, data=enciphered(key, command.data))
    card.send(secured(card, command, key)[0] if MAC in protection else command, sw)


def read(card, command: CommandApdu, key: bytes, protection: Protection) -> bytes:
    """The data of a reading command, its MAC checked."""
    challenge = b""
    if MAC in protection:
        command, challenge = secured(card, command, key)
    answer = card.send(command)
    if MAC in protection:
        answer, mac = answer[:-4], answer[-4:]
        assert mac == TRIPLE_DES.line_mac(key, answer, challenge)
    return deciphered(key, answer) if ENCIPHERED in protection else answer


@pytest.mark.parametrize("protection", [MAC, ENCIPHERED, MAC | ENCIPHERED, Protection.NONE], ids=str)
def test_a_protected_file_is_written_and_read(opened, key, protection):
    opened.send(perso.create_file(replace(BASE, protection=protection)))
    send(opened, cmd.update_binary(0x0B, TEXT), key, protection)
    assert read(opened, cmd.read_binary(0x0B), key, protection) == TEXT
    assert read(opened, cmd.read_binary(0x0B, offset=19), key, protection) == TEXT[19:]


@pytest.mark.parametrize("protection", [MAC, ENCIPHERED, MAC | ENCIPHERED], ids=str)
def test_protected_records(opened, key, protection):
    opened.send(perso.create_file(replace(RECORDS, protection=protection)))
    send(opened, cmd.append_record(0x0B, b"one"), key, protection)
    send(opened, cmd.append_record(0x0B, b"two!"), key, protection)
    send(opened, cmd.update_record(0x0B, 1, b"eno"), key, protection)
    assert read(opened, cmd.read_record(0x0B, 1), key, protection) == b"eno"
    assert read(opened, CommandApdu(0, 0xB2, ord("t"), 0x0B << 3, ne=256), key, protection) == b"two!"


@pytest.mark.parametrize("protection", [MAC, MAC | ENCIPHERED], ids=str)
def test_what_wants_a_mac_is_not_had_without(opened, key, protection):
    opened.send(perso.create_file(replace(BASE, protection=protection)))
    opened.send(cmd.update_binary(0x0B, TEXT), 0x6987)
    opened.send(cmd.read_binary(0x0B), 0x6987)
    opened.send(replace(cmd.read_binary(0x0B), cla=0x04), 0x6984)
    opened.send(cmd.get_challenge(8))
    opened.send(replace(cmd.read_binary(0x0B), cla=0x04), 0x6987)
    opened.send(cmd.get_challenge(8))
    opened.send(replace(cmd.read_binary(0x0B), cla=0x04, data=bytes(4)), 0x6988)


def test_a_plain_file_can_be_read_with_mac(opened, key, kit):
    assert read(opened, cmd.read_binary(0x15), key, MAC)[:8] == kit.ISSUER


def test_le_counts_the_mac(opened, key, kit):
    command, _ = secured(opened, cmd.read_binary(0x15, length=12), key)
    assert opened.send(command)[:8] == kit.ISSUER
    assert len(opened.send(secured(opened, cmd.read_binary(0x15, length=34), key)[0])) == 34
    opened.send(secured(opened, cmd.read_binary(0x15, length=35), key)[0], 0x6C22)


def test_a_cryptogram_that_is_none(opened, key):
    opened.send(perso.create_file(replace(BASE, protection=ENCIPHERED)))
    opened.send(cmd.update_binary(0x0B, bytes(16)), 0x6988)
    opened.send(cmd.update_binary(0x0B, bytes(15)), 0x6988)
    opened.send(cmd.update_binary(0x0B, enciphered(key, b"")), 0x6700)


def test_reading_with_wrong_macs_spends_the_keys_tries_also_over_reset(opened, kit, key):
    for _ in range(5):
        opened.card.reset()
        opened.send(cmd.select_name(names.TRANSIT_AID))
        opened.send(cmd.get_challenge(8))
        opened.send(replace(cmd.read_binary(0x15), cla=0x04, data=bytes(4)), 0x6988)
    opened.send(secured(opened, cmd.read_binary(0x15), key)[0], 0x6983)


def test_the_cache_of_a_purchase_writes_no_protected_file(opened, transit_sam, kit, key):
    opened.send(perso.create_file(replace(RECORDS, protection=MAC)))
    kit.begin_purchase(opened, transit_sam, 0)
    opened.send(CommandApdu(0x80, 0xDC, 1, 0x0B << 3, b"x"), 0x6987)


@pytest.mark.parametrize("structure", ["AF", "B8", "6F", "78"])
def test_only_files_with_data_have_protection(opened, structure):
    opened.send(CommandApdu(0x80, 0xE0, 0, 1, bytes.fromhex(structure + "0208F000FF0000000000")), 0x6A80)


def unblock(card, kit, pin: bytes, key: bytes | None = None) -> CommandApdu:
    value = key or kit.child("pin-unblock")
    command = CommandApdu(0x84, 0x24, 0x00, names.PIN, enciphered(value, pin))
    return with_mac(command, value, challenge=card.send(cmd.get_challenge(8)))


def test_a_blocked_pin_is_unblocked_and_new(card, kit):
    card.send(cmd.select_name(names.TRANSIT_AID))
    for _ in range(3):
        card.card.transmit(cmd.verify_pin(0, bytes.fromhex("000000")))
    card.send(cmd.verify_pin(0, kit.PIN), 0x6983)
    new = bytes.fromhex("112233445566")
    card.send(unblock(card, kit, new))
    card.send(cmd.verify_pin(0, kit.PIN), 0x63C2)
    card.send(cmd.verify_pin(0, new))


def test_pin_unblock_is_counted_before_it_is_compared(card, card_memory, kit):
    card.send(cmd.select_name(names.TRANSIT_AID))
    torn = []
    for left in range(5):
        card.card.reset()
        card.send(cmd.select_name(names.TRANSIT_AID))
        command = unblock(card, kit, kit.PIN, b"W" * 16)
        card_memory.cut_after(
            12 if left % 2 else 10_000
        )  # 12: power goes when the spent try is committed, before MACs differ
        try:
            assert card.card.transmit(command).sw.value == 0x6988
            torn.append(False)
        except PowerLost:
            torn.append(True)
        card_memory.restore_power()
    assert torn == [False, True, False, True, False]
    card.card.reset()
    card.send(cmd.select_name(names.TRANSIT_AID))
    card.send(unblock(card, kit, kit.PIN), 0x6983)


@pytest.mark.parametrize(("pin", "sw"), [(b"1", 0x6A80), (b"1" * 7, 0x6A80), (b"", 0x6A80), (b"12", 0x9000)])
def test_lengths_of_an_unblocked_pin(card, kit, pin, sw):
    card.send(cmd.select_name(names.TRANSIT_AID))
    card.send(unblock(card, kit, pin), sw)


def test_pin_unblock_wants_challenge_and_mac(card):
    card.send(cmd.select_name(names.TRANSIT_AID))
    card.send(CommandApdu(0x84, 0x24, 0, 0, bytes(12)), 0x6984)
    card.send(cmd.get_challenge(8))
    card.send(CommandApdu(0x84, 0x24, 0, 0, b"123"), 0x6987)
    card.send(CommandApdu(0x84, 0x24, 1, 0, bytes(12)), 0x6A86)
    card.send(cmd.get_challenge(8))
    card.send(CommandApdu(0x84, 0x24, 0, 9, bytes(12)), 0x6A88)


@pytest.fixture
def social(card, key):
    card.send(cmd.select_fid(names.MASTER_FILE))
    card.authenticate(names.KEY_MASTER_FILE, key)
    card.send(cmd.select_name(names.SOCIAL_AID))
    return card


ERASE = CommandApdu(0x80, 0x0E, 0, 0)


def test_erase_df_leaves_an_empty_df_and_no_trace_of_its_data(social, card_memory, kit):
    held = [kit.child("social-internal"), "张三".encode("gb18030").ljust(30, b"\x00")]
    assert all(secret in card_memory.content for secret in held)
    social.send(ERASE)
    assert not any(secret in card_memory.content for secret in held)
    social.send(cmd.read_record(6, 2), 0x6A82)
    social.card.reset()
    social.send(cmd.select_name(names.SOCIAL_AID))
    social.send(cmd.internal_authenticate(0, bytes(8), bytes(8)), 0x6A88)
    social.send(cmd.select_name(names.TRANSIT_AID))
    social.send(cmd.verify_pin(0, kit.PIN))


def test_an_erased_df_can_be_filled_again(social, key):
    social.send(ERASE)
    social.send(perso.create_key_file(SOCIAL_SECURITY))
    social.write_key(SOCIAL_SECURITY.keys[0], b"L" * 16, key)
    social.send(perso.create_file(BASE))
    social.send(perso.create_file(BASE), 0x6A89)
    social.send(perso.create_file(replace(BASE, fid=0xEF0B)), 0x6A89)
    social.card.reset()
    social.send(cmd.select_name(names.SOCIAL_AID))
    assert social.send(cmd.read_binary(0x0B)) == bytes(20)


def test_a_purse_is_not_erased(opened):
    opened.send(ERASE, 0x6985)
    opened.send(cmd.get_balance())


def test_who_may_erase(card, key):
    card.send(cmd.select_name(names.TRANSIT_AID))
    card.send(CommandApdu(0x80, 0x0E, 0, 0), 0x6982)
    card.send(cmd.select_fid(names.MASTER_FILE))
    card.authenticate(names.KEY_MASTER_FILE, key)
    card.send(CommandApdu(0x80, 0x0E, 0, 0), 0x6A81)
    card.send(CommandApdu(0x80, 0x0E, 0, 1), 0x6A86)
    card.send(CommandApdu(0x80, 0x0E, 0, 0, b"x"), 0x6700)


@pytest.mark.parametrize("selected", [None, names.TRANSIT_AID], ids=["MF", "DF"])
def test_a_blocked_card_says_6a81_for_ever(card, key, selected):
    if selected:
        card.send(cmd.select_name(selected))
    card.send(cmd.get_challenge(8))
    card.send(CommandApdu(0x84, 0x16, 0, 0, bytes(4)), 0x6988)
    card.send(secured(card, CommandApdu(0x84, 0x16, 0, 0), key)[0])
    for command in (cmd.get_challenge(8), cmd.select_name(names.TRANSIT_AID), cmd.get_balance()):
        card.send(command, 0x6A81)
    card.card.reset()
    card.send(cmd.select_fid(names.MASTER_FILE), 0x6A81)


def test_card_block_carries_its_mac_only(card, key):
    card.send(secured(card, CommandApdu(0x84, 0x16, 0, 0, b"x"), key)[0], 0x6700)
    card.send(cmd.select_name(names.TRANSIT_AID))


BLOCKED = {
    "VERIFY": cmd.verify_pin(0, b"12"),
    "UPDATE BINARY": cmd.update_binary(0x17, b"x"),
    "INITIALIZE": cmd.initialize_for_purchase(key_id=1, amount_minor=0, terminal=bytes(6)),
    "GET BALANCE": cmd.get_balance(),
    "PROVE": cmd.get_transaction_prove(transaction_type=9, sequence=0),
    "EXTERNAL AUTHENTICATE": cmd.external_authenticate(1, bytes(8)),
}
READS = {"READ BINARY": cmd.read_binary(0x17), "GET CHALLENGE": cmd.get_challenge(8)}


@pytest.mark.parametrize("name", [*BLOCKED, *READS])
def test_what_a_locked_application_answers(card, key, name):
    command = {**BLOCKED, **READS}[name]
    card.send(cmd.select_name(names.TRANSIT_AID))
    card.send(secured(card, CommandApdu(0x84, 0x1E, 0, 0), key)[0])
    card.send(command, 0x9000 if name in READS else 0x6985)
    card.send(secured(card, CommandApdu(0x84, 0x1E, 0, 1), key)[0])
    card.send(command, 0x9000 if name == "GET CHALLENGE" else 0x9303)
    card.send(cmd.select_name(names.SOCIAL_AID))
    card.send(cmd.read_record(5, 1))
