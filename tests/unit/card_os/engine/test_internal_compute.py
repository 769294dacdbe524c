"""INTERNAL AUTHENTICATE as FMCOS has it: keys that are neither the TAC key nor the IRK encrypt, decrypt and make MACs."""

from __future__ import annotations

import pytest
from Crypto.Cipher import DES, DES3

from card_os.crypto.sm4 import decrypt_ecb, encrypt_ecb
from card_os.crypto.suites import Algorithm
from card_os.profile.files import KeySpec, KeyType
from card_os.wire import commands as cmd
from card_os.wire import identifiers as names
from card_os.wire.apdu import CommandApdu

KEY = b"TEST-internal-07"
KEY_ID = 0x07
DATA = b"two blocks here!"


def internal(p1: int, data: bytes, key_id: int = KEY_ID) -> CommandApdu:
    return CommandApdu(0x00, 0x88, p1, key_id, data, 256)


@pytest.fixture
def add(card, kit):
    def write(algorithm: Algorithm, aid: bytes = names.SOCIAL_AID) -> None:
        card.send(cmd.select_fid(names.MASTER_FILE))
        card.authenticate(names.KEY_MASTER_FILE, kit.child("maintenance"))
        card.send(cmd.select_name(aid))
        spec = KeySpec(label="test", type=KeyType.TAC_OR_INTERNAL, id=KEY_ID, algorithm=algorithm)
        card.write_key(spec, KEY, kit.child("maintenance"))

    return write


@pytest.mark.parametrize("aid", [names.SOCIAL_AID, names.TRANSIT_AID])
def test_3des(card, add, aid):
    add(Algorithm.TRIPLE_DES, aid)
    triple = DES3.new(KEY + KEY[:8], DES3.MODE_ECB)
    assert card.send(internal(0x00, DATA)) == triple.encrypt(DATA)
    assert card.send(internal(0x01, DATA)) == triple.decrypt(DATA)
    last = DES.new(KEY[:8], DES.MODE_CBC, bytes(8)).encrypt(b"abc\x80\x00\x00\x00\x00")
    mac = DES.new(KEY[:8], DES.MODE_ECB).encrypt(DES.new(KEY[8:], DES.MODE_ECB).decrypt(last))
    assert card.send(internal(0x02, b"abc")) == mac[:4]


def test_sm4(card, add):
    add(Algorithm.SM4)
    assert card.send(internal(0x00, DATA)) == encrypt_ecb(KEY, DATA)
    assert card.send(internal(0x01, DATA)) == decrypt_ecb(KEY, DATA)
    card.send(internal(0x00, DATA[:8]), 0x6700)


@pytest.mark.parametrize(
    ("command", "sw"),
    [
        (internal(0x03, DATA), 0x6A86),
        (internal(0x00, b""), 0x6700),
        (internal(0x00, DATA[:7]), 0x6700),
        (internal(0x01, DATA[:7]), 0x6700),
        (internal(0x00, DATA, 0x08), 0x6A88),
        # the IRK answers R1 ‖ R2 and nothing else
        (internal(0x01, DATA, 0x00), 0x6A86),
        (internal(0x02, DATA, 0x00), 0x6A86),
        (internal(0x00, DATA[:8], 0x00), 0x6700),
    ],
)
def test_what_is_wrong_is_told(card, add, command, sw):
    add(Algorithm.TRIPLE_DES)
    card.send(command, sw)
