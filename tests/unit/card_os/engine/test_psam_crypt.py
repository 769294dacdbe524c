"""INIT FOR DESCRYPT and DES CRYPT: what a PSAM computes for a terminal, and what each kind of key refuses.

Our own PSAMs hold no such key (a PSAM that could make TACs could mint claims); the commands are there for whoever makes other
ones, and are judged against pycryptodome.
"""

from __future__ import annotations

import pytest
from Crypto.Cipher import DES, DES3

from card_os.crypto.suites import SM4, TRIPLE_DES, Algorithm
from card_os.profile.files import KeySpec, SamUse, sam_usage
from card_os.wire import commands as cmd
from card_os.wire import identifiers as names
from card_os.wire.apdu import CommandApdu

MASTER = b"TEST-sam-crypt00"
CARD, ISSUER = bytes.fromhex("9910000000000001"), bytes.fromhex("01991000FFFFFFFF")
RANDOM, IV = b"random-1", bytes(8)
PADDED = b"a message of two blocks"[:22] + b"\x80\x00"
KEY_ID = 0x21


def usage(use: SamUse, levels: int = 2) -> int:
    return sam_usage(use, levels)


def child(levels: int) -> bytes:
    """Two-key 3DES over f ‖ NOT f, issuer first."""
    key = MASTER
    for factor in (CARD, ISSUER)[:levels][::-1]:
        inverse = bytes(byte ^ 0xFF for byte in factor)
        key = DES3.new(key + key[:8], DES3.MODE_ECB).encrypt(factor + inverse)
    return key


def folded(key: bytes) -> bytes:
    return bytes(a ^ b for a, b in zip(key[:8], key[8:], strict=True))


def single_mac(key: bytes, padded: bytes, iv: bytes = IV) -> bytes:
    return DES.new(key, DES.MODE_CBC, iv).encrypt(padded)[-8:-4]


def retail(key: bytes, padded: bytes, iv: bytes = IV) -> bytes:
    last = DES.new(key[:8], DES.MODE_CBC, iv).encrypt(padded)[-8:]
    opened = DES.new(key[8:], DES.MODE_ECB).decrypt(last)
    return DES.new(key[:8], DES.MODE_ECB).encrypt(opened)[:4]


def triple(key: bytes, data: bytes) -> bytes:
    return DES3.new(key + key[:8], DES3.MODE_ECB).encrypt(data)


@pytest.fixture
def sam(transit_sam, kit):
    """With a key of every use and level, written before its maintenance key is known to be another."""

    def add(use: SamUse, levels: int, algorithm: Algorithm = Algorithm.TRIPLE_DES, key_id: int = KEY_ID) -> None:
        transit_sam.send(cmd.select_fid(names.MASTER_FILE))
        transit_sam.authenticate(names.KEY_MASTER_FILE, kit.sam_child("sam-maintenance"))
        transit_sam.send(cmd.select_fid(names.TRANSIT_SAM_DF))
        spec = KeySpec(label="test", type=sam_usage(use, levels), id=key_id, algorithm=algorithm)  # type: ignore[arg-type]
        transit_sam.write_key(spec, MASTER, kit.sam_child("sam-maintenance"))

    transit_sam.add = add
    return transit_sam


def begin(sam, use: SamUse, levels: int = 2, random: bytes = b"", sw: int = 0x9000) -> None:
    factors = (CARD, ISSUER)[:levels]
    sam.send(cmd.sam_session(usage=usage(use, levels), key_id=KEY_ID, factors=factors, random=random), sw)


@pytest.mark.parametrize("levels", [0, 1, 2])
def test_a_tac_key_is_folded_and_makes_the_tac_of_a_purchase(sam, levels):
    """80 1A 44 kid 10 serial8 issuer8, then 80 FA 05 00 20 IV8 ‖ 22 bytes ‖ 80 00 (standards.md §2.3, u011)."""
    sam.add(SamUse.TAC, levels)
    begin(sam, SamUse.TAC, levels)
    mac = sam.send(cmd.sam_mac(IV, PADDED))
    assert mac == single_mac(folded(child(levels)), PADDED) == TRIPLE_DES.tac(child(levels), PADDED[:22])


def test_the_commands_have_their_published_form(sam):
    tac = cmd.sam_session(usage=usage(SamUse.TAC), key_id=KEY_ID, factors=(CARD, ISSUER))
    assert tac.encode().hex().upper() == "801A442110" + (CARD + ISSUER).hex().upper()
    assert cmd.sam_mac(IV, PADDED).encode().hex().upper().startswith("80FA050020")


@pytest.mark.parametrize("levels", [0, 1, 2])
def test_a_mac_key_makes_algorithm_3_and_with_a_session_key_algorithm_1(sam, levels):
    sam.add(SamUse.MAC, levels)
    begin(sam, SamUse.MAC, levels)
    assert sam.send(cmd.sam_mac(b"challeng", PADDED)) == retail(child(levels), PADDED, b"challeng")
    begin(sam, SamUse.MAC, levels, RANDOM)
    assert sam.send(cmd.sam_mac(IV, PADDED)) == single_mac(triple(child(levels), RANDOM), PADDED)


@pytest.mark.parametrize("levels", [0, 1, 2])
def test_an_encryption_key_encrypts_blocks(sam, levels):
    sam.add(SamUse.ENCRYPTION, levels)
    begin(sam, SamUse.ENCRYPTION, levels)
    assert sam.send(cmd.sam_encrypt(PADDED)) == triple(child(levels), PADDED)
    begin(sam, SamUse.ENCRYPTION, levels, RANDOM)
    session = triple(child(levels), RANDOM)
    assert sam.send(cmd.sam_encrypt(PADDED)) == DES.new(session, DES.MODE_ECB).encrypt(PADDED)


def test_a_key_for_both_needs_a_session_key(sam):
    """Ours: the social-internal master is one, and its child would answer for the card."""
    sam.add(SamUse.MAC_AND_ENCRYPTION, 2)
    begin(sam, SamUse.MAC_AND_ENCRYPTION, sw=0x6985)
    sam.send(cmd.sam_encrypt(PADDED), 0x6985)
    begin(sam, SamUse.MAC_AND_ENCRYPTION, random=RANDOM)
    session = triple(child(2), RANDOM)
    assert sam.send(cmd.sam_encrypt(PADDED)) == DES.new(session, DES.MODE_ECB).encrypt(PADDED)
    assert sam.send(cmd.sam_mac(IV, PADDED)) == single_mac(session, PADDED)


def test_one_level_of_the_social_security_form(sam):
    """BF DE 28 kid 10 (standards.md §5.5)."""
    sam.add(SamUse.MAC_AND_ENCRYPTION, 1)
    sam.send(CommandApdu(0xBF, 0xDE, 0x28, KEY_ID, CARD + RANDOM))
    assert sam.send(cmd.sam_encrypt(b"second-8")) == DES.new(triple(child(1), RANDOM), DES.MODE_ECB).encrypt(
        b"second-8"
    )


@pytest.mark.parametrize(
    ("use", "command"),
    [
        (SamUse.TAC, cmd.sam_encrypt(PADDED)),
        (SamUse.MAC, cmd.sam_encrypt(PADDED)),
        (SamUse.ENCRYPTION, cmd.sam_mac(IV, PADDED)),
    ],
)
def test_a_key_computes_what_it_is_for_and_nothing_else(sam, use, command):
    sam.add(use, 2)
    begin(sam, use)
    sam.send(command, 0x6985)


def test_a_purchase_master_computes_nothing_but_mac1(sam):
    sam.send(cmd.sam_session(usage=0x42, key_id=names.KEY_PURCHASE, factors=(CARD, ISSUER)), 0x6985)


def test_a_purchase_master_of_one_level(sam, kit):
    """80 70 with Lc 1C."""
    sam.add(SamUse.PURCHASE, 1)
    head = bytes.fromhex("01020304 0005 00000064 06 20260915 081500 01 00")
    answer = sam.send(CommandApdu(0x80, 0x70, 0, 0, head + CARD, 8))
    session = triple(child(1), bytes.fromhex("01020304 0005 0000"))
    data = bytes.fromhex("00000064 06") + kit.TERMINAL + bytes.fromhex("20260915 081500")
    assert answer == bytes(4) + single_mac(session, data + b"\x80" + bytes(-(len(data) + 1) % 8))


def test_sm4_keys_encrypt_and_make_no_mac_in_steps(sam):
    sam.add(SamUse.ENCRYPTION, 2, Algorithm.SM4)
    begin(sam, SamUse.ENCRYPTION)
    block = b"sixteen bytes!!!"
    assert sam.send(cmd.sam_encrypt(block)) == SM4.encrypt(SM4.child(MASTER, (ISSUER, CARD)), block)
    sam.send(cmd.sam_encrypt(block + bytes(8)), 0x6700)
    sam.add(SamUse.MAC, 2, Algorithm.SM4)
    begin(sam, SamUse.MAC)
    sam.send(cmd.sam_mac(IV, PADDED), 0x6985)
    sam.add(SamUse.TAC, 2, Algorithm.SM4)
    begin(sam, SamUse.TAC, sw=0x6985)


@pytest.mark.parametrize(
    ("command", "sw"),
    [
        ("801A4521 00", 0x6A86),  # a use that nobody diversifies
        ("801A6421 18" + "00" * 24, 0x6A86),  # three levels
        ("801A4421 08" + "00" * 8, 0x6700),  # one factor short
        ("801A4421 20" + "00" * 32, 0x6700),
        ("801A4422 10" + "00" * 16, 0x6A88),
        ("80FA0100 08" + "00" * 8, 0x6A86),
        ("80FA0001 08" + "00" * 8, 0x6A86),
        ("80FA0000 07" + "00" * 7, 0x6700),
        ("80FA0500 08" + "00" * 8, 0x6700),  # an IV and nothing else
        ("80FA0500 10" + "00" * 16, 0x6985),  # nothing begun
        ("BFDE0821 08" + "00" * 8, 0x6A86),
        ("BFDE4812 10" + "00" * 16, 0x6700),
    ],
)
def test_what_is_wrong_is_told(sam, command, sw):
    sam.add(SamUse.TAC, 2)
    sam.send(CommandApdu.parse(bytes.fromhex(command)), sw)


def test_selecting_another_application_drops_the_key(sam):
    sam.add(SamUse.MAC, 2)
    begin(sam, SamUse.MAC)
    sam.send(cmd.select_fid(names.MASTER_FILE))
    sam.send(cmd.sam_mac(IV, PADDED), 0x6985)
