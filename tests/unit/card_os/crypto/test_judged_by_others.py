"""Our cryptography against published vector collections (cryptography-vectors) and two payment libraries (psec, pyemv)."""

from __future__ import annotations

import re
from collections.abc import Iterator
from importlib.metadata import version

import cryptography_vectors
import psec
import pyemv
import pytest
from hypothesis import given
from hypothesis import strategies as st

from card_os.crypto import sm4
from card_os.crypto.authentication import sm3
from card_os.crypto.des import decrypt_ecb, encrypt_cbc, encrypt_ecb
from card_os.crypto.diversification import child_key
from card_os.crypto.mac import cbc_mac, pad80, retail_mac
from card_os.crypto.suites import MAC_LENGTH, TRIPLE_DES

# Both import TripleDES from where cryptography no longer wants it looked for.
pytestmark = pytest.mark.filterwarnings("ignore::cryptography.utils.CryptographyDeprecationWarning")

KEYS = st.binary(min_size=16, max_size=16)
BLOCKS = st.integers(1, 12).flatmap(lambda count: st.binary(min_size=8 * count, max_size=8 * count))
MESSAGES = st.binary(min_size=1, max_size=200)
FIELD = re.compile(r"^(\w+) = ([0-9a-f]+)$")


def nist(name: str) -> Iterator[dict[str, bytes]]:
    """The vectors of a NIST response file: fields by name, ``KEY`` also where it comes as KEY1, KEY2, KEY3."""
    with cryptography_vectors.open_vector_file(name, "r") as lines:
        vector: dict[str, bytes] = {}
        for line in [*lines, ""]:
            if found := FIELD.match(line.strip()):
                if found[1] != "COUNT":
                    vector[found[1].removesuffix("s")] = bytes.fromhex(found[2])
            elif not line.strip() and {"PLAINTEXT", "CIPHERTEXT"} <= vector.keys():
                if "KEY1" in vector:
                    vector["KEY"] = vector["KEY1"] + vector["KEY2"]
                yield vector
                vector = {}


def of(mode: str) -> list[tuple[str, dict[str, bytes]]]:
    """Those whose third key is the first: two-key 3DES and, with all equal, DES."""
    files = [f"ciphers/3DES/{mode}/T{mode}{kind}.rsp" for kind in ("MMT2", "MMT1", "invperm", "permop", "subtab")]
    files += [f"ciphers/3DES/{mode}/T{mode}{kind}.rsp" for kind in ("varkey", "vartext")]
    found = [(file.rsplit("/", 1)[1], vector) for file in files for vector in nist(file)]
    return [(name, vector) for name, vector in found if vector.get("KEY3", vector["KEY"][:8]) == vector["KEY"][:8]]


def sm3_vectors() -> Iterator[tuple[bytes, bytes]]:
    with cryptography_vectors.open_vector_file("hashes/SM3/oscca.txt", "r") as lines:
        text = lines.read()
    for bits, message, digest in re.findall(r"Len = (\d+)\s+Msg = ([0-9a-f]+)\s+MD = ([0-9a-f]+)", text):
        yield bytes.fromhex(message)[: int(bits) // 8], bytes.fromhex(digest)


def test_the_vectors_are_cryptographys_own() -> None:
    assert version("cryptography-vectors") == version("cryptography")


def test_3des_ecb_both_ways() -> None:
    vectors = of("ECB")
    assert len(vectors) > 400
    for name, v in vectors:
        key = v["KEY"] * 2 if len(v["KEY"]) == 8 else v["KEY"]
        assert encrypt_ecb(key, v["PLAINTEXT"]) == v["CIPHERTEXT"], name
        assert decrypt_ecb(key, v["CIPHERTEXT"]) == v["PLAINTEXT"], name


def test_3des_cbc() -> None:
    vectors = of("CBC")
    assert len(vectors) > 400
    for name, v in vectors:
        key = v["KEY"] * 2 if len(v["KEY"]) == 8 else v["KEY"]
        assert encrypt_cbc(key, v["PLAINTEXT"], v["IV"]) == v["CIPHERTEXT"], name


def test_sm4_ecb_both_ways() -> None:
    vectors = list(nist("ciphers/SM4/draft-ribose-cfrg-sm4-10-ecb.txt"))
    assert len(vectors) >= 4
    for v in vectors:
        assert sm4.encrypt_ecb(v["KEY"], v["PLAINTEXT"]) == v["CIPHERTEXT"]
        assert sm4.decrypt_ecb(v["KEY"], v["CIPHERTEXT"]) == v["PLAINTEXT"]


def test_sm4_cbc_mac_is_the_last_block_of_cbc() -> None:
    vectors = list(nist("ciphers/SM4/draft-ribose-cfrg-sm4-10-cbc.txt"))
    assert len(vectors) >= 2
    for v in vectors:
        assert sm4.cbc_mac(v["KEY"], v["PLAINTEXT"], v["IV"]) == v["CIPHERTEXT"][-sm4.BLOCK :]


def test_sm3() -> None:
    vectors = list(sm3_vectors())
    assert len(vectors) >= 4
    for message, digest in vectors:
        assert sm3(message) == digest


@given(key=KEYS, data=BLOCKS)
def test_3des_as_psec_and_pyemv_have_it(key: bytes, data: bytes) -> None:
    assert encrypt_ecb(key, data) == psec.des.encrypt_tdes_ecb(key, data) == pyemv.tools.encrypt_tdes_ecb(key, data)
    assert decrypt_ecb(key, data) == psec.des.decrypt_tdes_ecb(key, data)
    assert encrypt_cbc(key, data, data[:8]) == psec.des.encrypt_tdes_cbc(key, data[:8], data)


@given(key=KEYS, data=MESSAGES)
def test_the_retail_mac_as_psec_and_pyemv_have_it(key: bytes, data: bytes) -> None:
    ours = retail_mac(key, pad80(data))
    assert ours == psec.mac.generate_retail_mac(key[:8], key[8:], data, padding=2)
    assert ours == pyemv.mac.mac_iso9797_3(key[:8], key[8:], data, padding=2)


@given(key=KEYS, data=MESSAGES, challenge=st.binary(min_size=8, max_size=8))
def test_line_protection_is_a_mac_with_the_challenge_in_front(key: bytes, data: bytes, challenge: bytes) -> None:
    """An initial vector under DES-CBC is the same as ``challenge`` into the first block, which the others can do too."""
    padded = pad80(data)
    first = bytes(a ^ b for a, b in zip(challenge, padded[:8], strict=True))
    theirs = psec.mac.generate_retail_mac(key[:8], key[8:], first + padded[8:], padding=1, length=MAC_LENGTH)
    assert TRIPLE_DES.line_mac(key, data, challenge) == theirs


@given(key=KEYS, data=MESSAGES)
def test_the_transaction_macs_as_psec_has_them(key: bytes, data: bytes) -> None:
    session_key = key[:8] * 2  # psec's is 3DES: with both halves equal it is the single DES of a session key
    theirs = psec.mac.generate_cbc_mac(session_key, data, padding=2)
    assert cbc_mac(key[:8], pad80(data)) == theirs
    assert TRIPLE_DES.transaction_mac(key[:8], data) == theirs[:MAC_LENGTH]
    folded = bytes(a ^ b for a, b in zip(key[:8], key[8:], strict=True))
    assert TRIPLE_DES.tac(key, data) == psec.mac.generate_cbc_mac(folded * 2, data, padding=2, length=MAC_LENGTH)


@given(master=KEYS, digits=st.text("0123456789", min_size=16, max_size=16))
def test_child_keys_are_emvs_option_a_without_its_parity(master: bytes, digits: str) -> None:
    """The PBOC rule has no public vector of its own; EMV's is the same, then sets each byte to odd parity."""
    theirs = pyemv.kd.derive_icc_mk_a(master, digits[:14], digits[14:])
    assert psec.des.adjust_key_parity(child_key(master, bytes.fromhex(digits))) == theirs


@given(key=KEYS)
def test_key_check_values_as_both_have_them(key: bytes) -> None:
    ours = encrypt_ecb(key, bytes(8))[:3]
    assert ours == psec.des.generate_kcv(key, 3) == pyemv.tools.key_check_digits(key, 3)
