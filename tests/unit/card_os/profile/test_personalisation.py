"""What is sent to create files and keys, byte by byte."""

from __future__ import annotations

import pytest

from card_os.crypto.des import encrypt_ecb
from card_os.crypto.mac import pad80
from card_os.profile import personalisation as perso
from card_os.profile.access import Level, access_byte, allows
from card_os.profile.citizen import CITIZEN_CARD
from card_os.profile.files import KeySpec, KeyType, PinSpec
from card_os.profile.psam import HOSPITAL_SAM, TRANSIT_SAM
from card_os.profile.transit import TRANSIT

LINE_KEY = b"TEST-transport-0"
CHALLENGE = bytes(range(8))
KEY = KeySpec(label="purchase", type=KeyType.PURCHASE, id=1)


@pytest.mark.parametrize(
    ("sfi", "apdu"),
    [
        (0x15, "80E000150728001EF0F2FF00"),  # 28 size2 read write FF line key
        (0x18, "80E00018072E0A17F00FFF00"),  # 2E count1 length1 ...; nobody writes the log
        (0x1A, "80E0001A072C0100F0F2FF00"),
        (0x1E, "80E0001E072E1E30F0F2FF00"),
    ],
)
def test_create_file_has_the_fmcos_form(sfi, apdu):
    assert perso.create_file(TRANSIT.file(sfi)).encode().hex().upper() == apdu


def test_create_application_key_file_and_purse():
    assert perso.create_application(TRANSIT).data.hex().upper() == "380800FAFA95FFFFA000000632010105"
    assert perso.create_key_file(TRANSIT).data.hex().upper() == "3F080001FAFFFF"
    assert TRANSIT.purse is not None
    assert perso.create_purse(TRANSIT.purse).encode().hex().upper() == "80E000020B2F0208F100FF18000186A0"


def test_write_key_is_four_blocks_with_the_key_in_the_middle_two():
    command = perso.write_key(KEY, b"K" * 16, line_key=LINE_KEY, challenge=CHALLENGE)
    assert (command.cla, command.ins, command.p1, command.p2, len(command.data)) == (0x84, 0xD4, 1, 1, 0x24)
    plain = bytes.fromhex("17 3E F0 FA 01 00 00 FF") + b"K" * 16
    assert command.data[:32] == encrypt_ecb(LINE_KEY, pad80(plain))


def test_wrapped_key_gives_the_same_command_without_the_key():
    wrapped = encrypt_ecb(LINE_KEY, b"K" * 16)
    direct = perso.write_key(KEY, b"K" * 16, line_key=LINE_KEY, challenge=CHALLENGE)
    assert perso.write_wrapped_key(KEY, wrapped, line_key=LINE_KEY, challenge=CHALLENGE) == direct


def test_update_names_the_type_in_p1():
    command = perso.write_key(KEY, b"K" * 16, line_key=LINE_KEY, challenge=CHALLENGE, update=True)
    assert command.p1 == KeyType.PURCHASE


@pytest.mark.parametrize("length", [0, 8, 15, 17])
def test_keys_of_other_lengths_are_refused_without_showing_them(length):
    with pytest.raises(ValueError, match=f"purchase has {length} bytes"):
        perso.write_key(KEY, b"K" * length, line_key=LINE_KEY, challenge=CHALLENGE)
    with pytest.raises(ValueError, match=f"wrapped key has {length} bytes"):
        perso.write_wrapped_key(KEY, b"K" * length, line_key=LINE_KEY, challenge=CHALLENGE)


@pytest.mark.parametrize("length", [0, 1, 7])
def test_pins_of_other_lengths_are_refused(length):
    with pytest.raises(ValueError, match="2 to 6"):
        perso.write_pin(PinSpec(id=0, tries=3), bytes(length), line_key=LINE_KEY, challenge=CHALLENGE)


# docs/doors.md "Keys", as (application FID, label, type, id).
DOORS = {
    (0x3F00, "maintenance", 0x39, 0x00),
    (0x3F00, "maintenance", 0x36, 0x00),
    (0x1001, "maintenance", 0x36, 0x00),
    (0xDF00, "maintenance", 0x36, 0x00),
    (0x1001, "application", 0x39, 0x01),
    (0x1001, "purchase", 0x3E, 0x01),
    (0x1001, "load", 0x3F, 0x01),
    (0x1001, "tac", 0x34, 0x00),
    (0x1001, "pin-unblock", 0x37, 0x00),
    (0x1001, "pin-reload", 0x38, 0x00),
    (0xDF00, "social-internal", 0x34, 0x00),
    (0xDF00, "social-update", 0x39, 0x04),
}


def keys_of(card):
    return {
        (application.fid, key.label, key.type, key.id)
        for application in (card.master_file, *card.applications)
        for key in application.keys
    }


def test_the_citizen_card_has_the_keys_of_the_doors():
    assert keys_of(CITIZEN_CARD) == DOORS


def test_load_and_tac_masters_are_in_no_sam():
    for sam in (TRANSIT_SAM, HOSPITAL_SAM):
        assert {label for _, label, _, _ in keys_of(sam)}.isdisjoint({"load", "tac", "application"})


def test_the_line_key_of_the_master_file_is_written_last():
    for card in (CITIZEN_CARD, TRANSIT_SAM, HOSPITAL_SAM):
        assert card.master_file.keys[-1].type is KeyType.LINE_PROTECTION


@pytest.mark.parametrize(
    ("level", "own", "card", "allowed"),
    [
        (Level.FREE, 0, 0, True),
        (Level.PIN, 0, 0, False),
        (Level.PIN, 1, 0, True),
        (Level.PIN, 2, 0, True),
        (Level.APPLICATION, 1, 0, False),
        (Level.APPLICATION, 2, 0, True),
        (Level.APPLICATION, 0, 0xA, False),
        (Level.ADMINISTRATION, 2, 0, False),
        (Level.ADMINISTRATION, 0, 0xA, True),
        (Level.NEVER, 0xF, 0xF, False),
        (Level.NEVER, 2, 0xA, False),
    ],
)
def test_access_by_state(level, own, card, allowed):
    assert allows(access_byte(level), own_state=own, card_state=card) is allowed
