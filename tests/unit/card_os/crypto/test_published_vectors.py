"""Published values, each from its source in tests/data/card/vectors.json."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from card_os.crypto import purse as macs
from card_os.crypto import sm4
from card_os.crypto.authentication import external_cryptogram, pin_cryptogram, sm3
from card_os.crypto.des import encrypt_cbc, encrypt_ecb
from card_os.crypto.mac import cbc_mac, retail_mac
from card_os.crypto.secure_messaging import deciphered, enciphered, with_mac, without_mac
from card_os.crypto.session import load_session_key, purchase_session_key
from card_os.crypto.suites import SM4, SUITES, Algorithm
from card_os.wire.apdu import CommandApdu

_PATH = Path(__file__).parents[3] / "data" / "card" / "vectors.json"
VECTORS = {vector["id"]: vector for vector in json.loads(_PATH.read_text())["vectors"]}


# Which of the published vectors are held by a test here, which elsewhere, and why the rest is not: their code is not ours yet.
HERE = {
    "pboc-load-1",
    "pboc-purchase-1",
    "extauth-3des-1",
    "extauth-3des-2",
    "extauth-3des-3",
    "secure-messaging-writekey",
    "des-fips81",
    "des-cbc-fips81",
    "tdes2-kcv",
    "fips113-dac",
    "iso9797-alg3-bc",
    "sm4-diversify-1",
    "sm4-ecb-xgm",
    "sm4-gmt0002-ex1",
    "sm4-gmt0002-ex2",
    "sm3-1",
    "ssc3-pki-pin",
}
ELSEWHERE = {
    "gb11643-11010519491231002X": "tests/unit/rulebook/numbers",
    "gb11643-440524188001010014": "tests/unit/rulebook/numbers",
    "gb11714-D2143569X": "tests/unit/rulebook/numbers",
    "gb11714-768225469": "tests/unit/rulebook/numbers",
}
_NO_OTHER_CHIP = "passports and GlobalPlatform chips are neither read nor written here"
NOT_APPLICABLE = {
    "icao-bac-keys": _NO_OTHER_CHIP,
    "icao-bac-auth": _NO_OTHER_CHIP,
    "gp-scp03-pysim-aes128-11": _NO_OTHER_CHIP,
}


def of(vector_id: str) -> tuple[dict[str, bytes], dict[str, bytes]]:
    """Inputs and expected values as bytes; ASCII inputs too."""
    vector = VECTORS[vector_id]
    inputs = {
        name: value.encode() if name.endswith("_ascii") else bytes.fromhex(value)
        for name, value in vector["inputs"].items()
        if isinstance(value, str)
    }
    return inputs, {name: bytes.fromhex(value) for name, value in vector["expected"].items()}


def number(raw: bytes) -> int:
    return int.from_bytes(raw, "big")


def test_load_session_key_mac1_and_mac2():
    given, expected = of("pboc-load-1")
    key = load_session_key(
        given["load_key"], card_random=given["card_random"], online_sequence=number(given["online_seq"])
    )
    request = {
        "amount_minor": number(given["amount"]),
        "transaction_type": number(given["type"]),
        "terminal": given["terminal"],
    }
    assert key == expected["SESLK"]
    assert macs.load_mac1(key, balance_minor=number(given["old_balance"]), **request) == expected["MAC1"]
    assert macs.load_mac2(key, date=given["date"], time=given["time"], **request) == expected["MAC2"]


def test_purchase_session_key_mac1_and_mac2():
    given, expected = of("pboc-purchase-1")
    key = purchase_session_key(
        given["purchase_key"],
        card_random=given["card_random"],
        offline_sequence=number(given["offline_seq"]),
        terminal_sequence=number(given["terminal_seq"]),
    )
    mac1 = macs.purchase_mac1(
        key,
        amount_minor=number(given["amount"]),
        transaction_type=number(given["type"]),
        terminal=given["terminal"],
        date=given["date"],
        time=given["time"],
    )
    assert key == expected["SESPK"]
    assert mac1 == expected["MAC1"]
    assert macs.purchase_mac2(key, amount_minor=number(given["amount"])) == expected["MAC2"]


@pytest.mark.parametrize("vector_id", ["extauth-3des-1", "extauth-3des-2", "extauth-3des-3"])
def test_external_authentication(vector_id):
    given, expected = of(vector_id)
    assert external_cryptogram(given["key"], given["challenge"]) == expected["cryptogram"]


def test_secured_key_load():
    given, expected = of("secure-messaging-writekey")
    plain = given["plaintext_padded"]
    cryptogram = enciphered(given["key"], plain[1 : 1 + plain[0]])
    assert encrypt_ecb(given["key"], plain) == cryptogram
    cla, ins, p1, p2, lc = given["header"]
    secured = with_mac(CommandApdu(cla, ins, p1, p2, cryptogram), given["key"], challenge=given["challenge"])
    assert len(secured.data) == lc
    assert secured.data[-4:] == expected["MAC"]
    body = without_mac(secured, given["key"], challenge=given["challenge"])
    assert deciphered(given["key"], body) == plain[1 : 1 + plain[0]]


def test_des_ecb_fips81():
    given, expected = of("des-fips81")
    assert encrypt_ecb(given["key"], given["plaintext"]) == expected["ciphertext"]


def test_des_cbc_fips81():
    given, expected = of("des-cbc-fips81")
    assert encrypt_cbc(given["key"], given["plaintext"], given["iv"]) == expected["ciphertext"]


def test_two_key_triple_des_check_value():
    given, expected = of("tdes2-kcv")
    assert encrypt_ecb(given["key"], given["plaintext"]) == expected["ciphertext"]


def test_fips113_data_authentication_code():
    given, expected = of("fips113-dac")
    padded = given["message"] + bytes(-len(given["message"]) % 8)
    assert cbc_mac(given["key"], padded)[:4] == expected["mac_iv0"]
    assert cbc_mac(given["key"], padded, given["iv2"])[:4] == expected["mac_iv2"]


def test_iso9797_algorithm_3():
    given, expected = of("iso9797-alg3-bc")
    assert retail_mac(given["key"], given["message_ascii"]) == expected["mac"]


def test_sm4_diversification():
    given, expected = of("sm4-diversify-1")
    assert SM4.child(given["master_key"], [given["factor"]]) == expected["child_key"]


@pytest.mark.parametrize("vector_id", ["sm4-ecb-xgm", "sm4-gmt0002-ex1"])
def test_sm4_block(vector_id):
    given, expected = of(vector_id)
    assert SM4.encrypt(given["key"], given["plaintext"]) == expected["ciphertext"]
    assert SM4.decrypt(given["key"], expected["ciphertext"]) == given["plaintext"]


def test_sm4_a_million_times():
    """As one CBC encryption of zeros: block n+1 is then the encryption of block n."""
    given, expected = of("sm4-gmt0002-ex2")
    rounds = int(VECTORS["sm4-gmt0002-ex2"]["inputs"]["iterations"])
    assert sm4.cbc_mac(given["key"], bytes(16 * rounds), given["plaintext"]) == expected["ciphertext"]


def test_sm3():

    given, expected = of("sm3-1")
    assert sm3(given["message_ascii"]) == expected["digest"]


def test_third_generation_pin():
    given, expected = of("ssc3-pki-pin")
    assert sm3(given["pin_bytes"]) == expected["SM3"]
    assert pin_cryptogram(given["pin_bytes"], given["challenge"]) == expected["response"]


def test_every_published_vector_is_accounted_for():
    assert set(VECTORS) == HERE | ELSEWHERE.keys() | NOT_APPLICABLE.keys()
    assert len(VECTORS) == len(HERE) + len(ELSEWHERE) + len(NOT_APPLICABLE)
    tests = Path(__file__).read_text().split("def of(")[1]
    assert {vector for vector in HERE if f'"{vector}"' not in tests} == set()


def test_every_purse_algorithm_has_its_suite():
    assert {algorithm: SUITES[algorithm].algorithm for algorithm in Algorithm} == {one: one for one in Algorithm}


def test_the_vectors_held_elsewhere_are_there():
    numbers = json.loads((_PATH.parents[1] / "numbers" / "check_character_vectors.json").read_text())["vectors"]
    held = {vector["id"]: (vector["inputs"], vector["expected"]) for vector in numbers}
    assert {key: held[key] for key in ELSEWHERE} == {
        key: (VECTORS[key]["inputs"], VECTORS[key]["expected"]) for key in ELSEWHERE
    }
