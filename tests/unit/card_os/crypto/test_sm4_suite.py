"""The SM4 suite against a second implementation of SM4 and of every rule, written here from GB/T 32907 and standards.md §2.6.

What ``own_sm4_purse`` defines has no public vector: the literal values below are regression values of this project, agreed by
the two implementations, and no independent evidence.
"""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from card_os.crypto import own_sm4_purse
from card_os.crypto import purse as macs
from card_os.crypto.authentication import external_cryptogram, social_cryptogram, whole_cryptogram
from card_os.crypto.purse import TransactionType
from card_os.crypto.secret import Secret
from card_os.crypto.secure_messaging import deciphered, enciphered
from card_os.crypto.session import load_session_key, purchase_session_key
from card_os.crypto.suites import SM4

SBOX = bytes.fromhex(
    """d690e9fecce13db716b614c228fb2c05 2b679a762abe04c3aa44132649860699 9c4250f491ef987a33540b43edcfac62
e4b31ca9c908e89580df94fa758f3fa6 4707a7fcf37317ba83593c19e6854fa8 686b81b27164da8bf8eb0f4b70569d35
1e240e5e6358d1a225227c3b01217887 d40046579fd327524c3602e7a0c4c89e eabf8ad240c738b5a3f7f2cef96115a1
e0ae5da49b341a55ad933230f58cb1e3 1df6e22e8266ca60c02923ab0d534e6f d5db3745defd8e2f03ff6a726d6c5b51
8d1baf92bbddbc7f11d95c411f105ad8 0ac13188a5cd7bbd2d74d012b8e5b4b0 8969974a0c96777e65b9f109c56ec684
18f07dec3adc4d2079ee5f3ed7cb3948"""
)
FK = (0xA3B1BAC6, 0x56AA3350, 0x677D9197, 0xB27022DC)
KEYS, BLOCKS = st.binary(min_size=16, max_size=16), st.binary(min_size=16, max_size=16)
SEEDS, DATA = st.binary(min_size=8, max_size=8), st.binary(max_size=70)
KEY = b"TEST-sm4-key-000"


def rotated(word: int, by: int) -> int:
    return (word << by | word >> 32 - by) & 0xFFFFFFFF


def substituted(word: int) -> int:
    return int.from_bytes(bytes(SBOX[byte] for byte in word.to_bytes(4, "big")), "big")


def words(raw: bytes) -> list[int]:
    return [int.from_bytes(raw[at : at + 4], "big") for at in range(0, 16, 4)]


def reference_block(key: bytes, block: bytes) -> bytes:
    k, x = [a ^ b for a, b in zip(words(key), FK, strict=True)], words(block)
    for i in range(32):
        constant = int.from_bytes(bytes((4 * i + j) * 7 % 256 for j in range(4)), "big")
        t = substituted(k[1] ^ k[2] ^ k[3] ^ constant)
        k = [*k[1:], k[0] ^ t ^ rotated(t, 13) ^ rotated(t, 23)]
        t = substituted(x[1] ^ x[2] ^ x[3] ^ k[3])
        x = [*x[1:], x[0] ^ t ^ rotated(t, 2) ^ rotated(t, 10) ^ rotated(t, 18) ^ rotated(t, 24)]
    return b"".join(word.to_bytes(4, "big") for word in reversed(x))


def reference_mac(key: bytes, data: bytes, iv: bytes = bytes(16)) -> bytes:
    padded = data + b"\x80"
    padded += bytes(-len(padded) % 16)
    for at in range(0, len(padded), 16):
        iv = reference_block(key, bytes(a ^ b for a, b in zip(iv, padded[at : at + 16], strict=True)))
    return iv


def xored(*parts: bytes) -> bytes:
    value = 0
    for part in parts:
        value ^= int.from_bytes(part, "big")
    return value.to_bytes(len(parts[0]), "big")


def inverted(raw: bytes) -> bytes:
    return bytes(255 - byte for byte in raw)


def test_the_reference_is_sm4():
    key = bytes.fromhex("0123456789ABCDEFFEDCBA9876543210")
    assert reference_block(key, key).hex().upper() == "681EDF34D206965E86B3E94F536E4246"


@given(key=KEYS, block=BLOCKS, factor=SEEDS)
def test_block_and_diversification(key, block, factor):
    assert SM4.encrypt(key, block) == reference_block(key, block)
    assert SM4.decrypt(key, SM4.encrypt(key, block)) == block
    first = reference_block(key, factor + inverted(factor))
    assert SM4.child(key, [factor, block[:8]]) == reference_block(first, block[:8] + inverted(block[:8]))


@given(key=KEYS, data=DATA, challenge=st.binary(min_size=1, max_size=16))
def test_line_mac_folds_four_words(key, data, challenge):
    mac = reference_mac(key, data, challenge.ljust(16, b"\x00"))
    assert SM4.line_mac(key, data, challenge) == xored(mac[:4], mac[4:8], mac[8:12], mac[12:])


@given(key=KEYS, challenge=st.binary(min_size=1, max_size=16), second=SEEDS)
def test_authentication(key, challenge, second):
    whole = reference_block(key, challenge.ljust(16, b"\x00"))
    assert external_cryptogram(key, challenge, suite=SM4) == xored(whole[:8], whole[8:])
    assert whole_cryptogram(key, challenge.ljust(16, b"\x00")) == whole
    session = reference_block(key, second + inverted(second))
    answer = reference_block(session, second + bytes(8))
    assert social_cryptogram(key, first=second, second=second, suite=SM4) == xored(answer[:8], answer[8:])


@given(key=KEYS, seed=SEEDS, data=DATA)
def test_what_is_ours_of_the_purse(key, seed, data):
    assert SM4.session_key(key, seed) == reference_block(key, seed + inverted(seed))
    assert SM4.transaction_mac(key, data) == SM4.tac(key, data) == reference_mac(key, data)[:4]


@given(key=KEYS, data=DATA)
def test_a_key_load_is_whole_blocks_and_opens_again(key, data):
    cryptogram = enciphered(key, data, suite=SM4)
    assert len(cryptogram) % 16 == 0
    assert deciphered(key, cryptogram, suite=SM4) == data


def test_a_key_load_of_a_key_has_the_length_seen_on_real_cards():
    assert len(enciphered(KEY, bytes(7 + 16), suite=SM4)) == 32


@pytest.mark.parametrize("wrong", [b"", bytes(7), bytes(16)])
def test_a_seed_has_eight_bytes(wrong):
    with pytest.raises(ValueError, match="it must have 8"):
        own_sm4_purse.session_key(KEY, wrong)


def test_a_block_is_whole():
    with pytest.raises(ValueError, match="multiple of 16"):
        SM4.encrypt(KEY, bytes(15))


def test_regression_values_of_the_purse_that_is_ours():
    """Whoever changes ``own_sm4_purse`` changes these, and every SM4 card already issued."""
    terminal, date, time = bytes.fromhex("991000000042"), bytes.fromhex("20260915"), bytes.fromhex("081500")
    load = load_session_key(KEY, card_random=bytes(4), online_sequence=1, suite=SM4)
    pay = purchase_session_key(KEY, card_random=bytes(4), offline_sequence=1, terminal_sequence=2, suite=SM4)
    assert isinstance(load, Secret)
    request = {"amount_minor": 300, "terminal": terminal, "date": date, "time": time, "suite": SM4}
    tac = {"new_balance_minor": 1300, "online_sequence": 1, "transaction_type": TransactionType.LOAD}
    values = (
        load,
        pay,
        macs.load_mac2(load, transaction_type=TransactionType.LOAD, **request),
        macs.load_tac(KEY, **tac, **request),
        macs.purchase_mac1(pay, transaction_type=TransactionType.COMPOUND, **request),
        macs.purchase_mac2(pay, amount_minor=300, suite=SM4),
        macs.purchase_tac(KEY, transaction_type=TransactionType.COMPOUND, terminal_sequence=2, **request),
    )
    assert [bytes(value).hex().upper() for value in values] == REGRESSION


REGRESSION = [
    "7D2B270E9FE6F7D616CD2C3AA3418F5B",  # SESLK
    "386D171211EF7DE859AD6A8ECE10DFB9",  # SESPK
    "3EA88561",  # load MAC2
    "C770BE9F",  # load TAC
    "658CD01E",  # purchase MAC1
    "ADE2CC79",  # purchase MAC2
    "69C06625",  # purchase TAC
]
