"""The kit's home-made expectations of deposit account and SM4 card, computed a second time: DES by pycryptodome, SM4 by the
lines below (GB/T 32907 from its algebra), inputs written out from standards.md §2 and the two modules that say what is ours."""

from __future__ import annotations

import tomllib
from importlib.resources import files

import pytest
from Crypto.Cipher import DES, DES3

PUBLISHED_KEY = "11223344556677888877665544332211"
RANDOM, TERMINAL = "11223344", "001122334455"
WHEN, LATER = "20111221214822", "20120229135100"
SM4_POLYNOMIAL, SM4_CONSTANT = 0x1F5, 0xD3


def xor(left: bytes, right: bytes) -> bytes:
    return bytes(a ^ b for a, b in zip(left, right, strict=True))


def padded(data: bytes, block: int) -> bytes:
    data += b"\x80"
    return data + bytes(-len(data) % block)


def multiplied(left: int, right: int) -> int:
    """In GF(2^8) of SM4."""
    product = 0
    while right:
        product ^= left * (right & 1)
        left <<= 1
        left ^= SM4_POLYNOMIAL * (left >> 8)
        right >>= 1
    return product


def affine(value: int) -> int:
    """The circulant matrix whose row for bit n is A7 rotated by n, and the constant."""
    rows = [(0xA7A7 >> 8 - at) & 0xFF for at in range(8)]
    bits = [(row & value).bit_count() & 1 for row in rows]
    return sum(bit << at for at, bit in enumerate(bits)) ^ SM4_CONSTANT


def inverse(value: int) -> int:
    return next((other for other in range(1, 256) if multiplied(value, other) == 1), 0)


S_BOX = [affine(inverse(affine(value))) for value in range(256)]


def rotated(word: int, bits: int) -> int:
    return (word << bits | word >> 32 - bits) & 0xFFFFFFFF


def substituted(word: int) -> int:
    return int.from_bytes(bytes(S_BOX[byte] for byte in word.to_bytes(4, "big")), "big")


def mixed(word: int) -> int:
    word = substituted(word)
    return word ^ rotated(word, 2) ^ rotated(word, 10) ^ rotated(word, 18) ^ rotated(word, 24)


def mixed_key(word: int) -> int:
    word = substituted(word)
    return word ^ rotated(word, 13) ^ rotated(word, 23)


def words(data: bytes) -> list[int]:
    return [int.from_bytes(data[at : at + 4], "big") for at in range(0, len(data), 4)]


def sm4(key: bytes, block: bytes) -> bytes:
    system = (0xA3B1BAC6, 0x56AA3350, 0x677D9197, 0xB27022DC)
    keys = [word ^ parameter for word, parameter in zip(words(key), system, strict=True)]
    state = words(block)
    for number in range(32):
        constant = int.from_bytes(bytes((4 * number + place) * 7 % 256 for place in range(4)), "big")
        keys.append(keys[-4] ^ mixed_key(keys[-3] ^ keys[-2] ^ keys[-1] ^ constant))
        state.append(state[-4] ^ mixed(state[-3] ^ state[-2] ^ state[-1] ^ keys[-1]))
    return b"".join(word.to_bytes(4, "big") for word in state[:-5:-1])


def sm4_last_block(key: bytes, data: bytes, iv: bytes = bytes(16)) -> bytes:
    data = padded(data, 16)
    for at in range(0, len(data), 16):
        iv = sm4(key, xor(iv, data[at : at + 16]))
    return iv


def des_mac(key: bytes, *parts: str) -> str:
    data = padded(bytes.fromhex("".join(parts)), 8)
    return DES.new(key, DES.MODE_CBC, bytes(8)).encrypt(data)[-8:-4].hex().upper()


def triple_des(key: bytes, data: bytes) -> bytes:
    return DES3.new(key, DES3.MODE_ECB).encrypt(data)


def tac_key_of_card_1() -> bytes:
    key = b"TEST-TAC--------"
    for factor in (bytes.fromhex("01991000FFFFFFFF"), bytes.fromhex("9910000000000001")):
        key = triple_des(key, factor) + triple_des(key, bytes(255 - byte for byte in factor))
    return xor(key[:8], key[8:])


def deposit_values() -> dict[str, str]:
    """Amounts: load 1000, purchase 300, cash 200, unload 400; limit 0001F4, all hex. Sequences as in the kit."""
    key, tac = bytes.fromhex(PUBLISHED_KEY), tac_key_of_card_1()

    def session(tail: str) -> bytes:
        return triple_des(key, bytes.fromhex(RANDOM + tail))

    first, second = session("00008000"), session("00018000")
    buy, cash, more = session("00000001"), session("00010002"), session("00000003")
    return {
        "LOAD_MAC1": des_mac(first, "00000000", "00001000", "01", TERMINAL),
        "LOAD_MAC2": des_mac(first, "00001000", "01", TERMINAL, WHEN),
        "LOAD_TAC": des_mac(tac, "00001000", "0000", "00001000", "01", TERMINAL, WHEN),
        "PURCHASE_MAC1": des_mac(buy, "00000300", "05", TERMINAL, LATER),
        "PURCHASE_MAC2": des_mac(buy, "00000300"),
        "PURCHASE_TAC": des_mac(tac, "00000300", "05", TERMINAL, "00000001", LATER),
        "CASH_MAC1": des_mac(cash, "00000200", "04", TERMINAL, LATER),
        "CASH_MAC2": des_mac(cash, "00000200"),
        "CASH_TAC": des_mac(tac, "00000200", "04", TERMINAL, "00000002", LATER),
        "UNLOAD_MAC1": des_mac(second, "00001000", "00000400", "03", TERMINAL),
        "UNLOAD_MAC2": des_mac(second, "00000400", "03", TERMINAL, LATER),
        "UNLOAD_MAC3": des_mac(second, "00000C00", "0001", "00000400", "03", TERMINAL, LATER),
        "LIMIT_MAC1": des_mac(first, "00000000", "000000", "07", TERMINAL),
        "LIMIT_MAC2": des_mac(first, "0001F4", "07", TERMINAL, WHEN),
        "LIMIT_TAC": des_mac(tac, "000001F4", "0000", "0001F4", "07", TERMINAL, WHEN),
        "CREDIT_MAC1": des_mac(more, "00000064", "05", TERMINAL, LATER),
        "CREDIT_MAC2": des_mac(more, "00000064"),
        "CREDIT_TAC": des_mac(tac, "00000064", "05", TERMINAL, "00000003", LATER),
        "LOWER_MAC2": des_mac(second, "000063", "07", TERMINAL, LATER),
        "LEAST_MAC2": des_mac(second, "000064", "07", TERMINAL, LATER),
        "LEAST_TAC": des_mac(tac, "00000000", "0001", "000064", "07", TERMINAL, LATER),
    }


def sm4_values() -> dict[str, str]:
    """Load 1000 and compound purchase 300, hex; the challenge is the random of four bytes, four times."""
    tac = b"TEST-TAC--------"

    def session(name: bytes, tail: str) -> bytes:
        seed = bytes.fromhex(RANDOM + tail)
        return sm4(name, seed + bytes(255 - byte for byte in seed))

    def mac(key: bytes, *parts: str) -> str:
        return sm4_last_block(key, bytes.fromhex("".join(parts)))[:4].hex().upper()

    def line_mac(*parts: str) -> str:
        block = words(sm4_last_block(b"TEST-MAINTENANCE", bytes.fromhex("".join(parts)), bytes.fromhex(RANDOM * 4)))
        return f"{block[0] ^ block[1] ^ block[2] ^ block[3]:08X}"

    def whole(challenge: str) -> bytes:
        return sm4(b"TEST-APPLICATION", bytes.fromhex(challenge).ljust(16, b"\x00"))

    load, buy = session(b"TEST-LOAD-------", "00008000"), session(b"TEST-PURCHASE---", "00000001")
    return {
        "LOAD_MAC1": mac(load, "00000000", "00001000", "02", TERMINAL),
        "LOAD_MAC2": mac(load, "00001000", "02", TERMINAL, WHEN),
        "LOAD_TAC": mac(tac, "00001000", "0000", "00001000", "02", TERMINAL, WHEN),
        "PURCHASE_MAC1": mac(buy, "00000300", "06", TERMINAL, LATER),
        "PURCHASE_TAC": mac(tac, "00000300", "06", TERMINAL, "00000001", LATER),
        "COMPOUND_MAC1": mac(buy, "00000300", "09", TERMINAL, LATER),
        "COMPOUND_TAC": mac(tac, "00000300", "09", TERMINAL, "00000001", LATER),
        "SPENT_MAC2": mac(buy, "00000300"),
        "WHOLE": whole(RANDOM * 4).hex().upper(),
        "FOLDED": xor(whole(RANDOM * 4)[:8], whole(RANDOM * 4)[8:]).hex().upper(),
        "FOLDED_SHORT": xor(whole(RANDOM)[:8], whole(RANDOM)[8:]).hex().upper(),
        "UPDATE_MAC": line_mac("04D6950005", "01"),
        "BLOCK_MAC": line_mac("841E000004"),
        "UNBLOCK_MAC": line_mac("8418000004"),
        "RELOAD_MAC": mac(b"TEST-PIN-RELOAD-", "654321"),
    }


def test_the_second_sm4_gives_the_standards_value():
    """GB/T 32907 annex A.1 (shared/card/vectors.json)."""
    key = bytes.fromhex("0123456789ABCDEFFEDCBA9876543210")
    assert sm4(key, key).hex().upper() == "681EDF34D206965E86B3E94F536E4246"


@pytest.mark.parametrize(("name", "values"), [("deposit.toml", deposit_values), ("sm4.toml", sm4_values)])
def test_what_the_kit_expects_is_computed_again(name, values):
    text = (files("simulator.conformance") / "kit" / name).read_text(encoding="utf-8")
    said = tomllib.loads(text)["let"]
    expected = values()
    assert {name: said[name] for name in expected} == expected
