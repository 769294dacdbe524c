"""Published values, each from its source in tests/data/card/vectors.json."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from card_os.crypto import purse as macs
from card_os.crypto.authentication import external_cryptogram
from card_os.crypto.des import encrypt_cbc, encrypt_ecb
from card_os.crypto.mac import cbc_mac, retail_mac
from card_os.crypto.secure_messaging import deciphered, enciphered, with_mac, without_mac
from card_os.crypto.session import load_session_key, purchase_session_key
from card_os.crypto.suites import Algorithm
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
}
ELSEWHERE = {
    "gb11643-11010519491231002X": "tests/unit/rulebook/numbers",
    "gb11643-440524188001010014": "tests/unit/rulebook/numbers",
    "gb11714-D2143569X": "tests/unit/rulebook/numbers",
    "gb11714-768225469": "tests/unit/rulebook/numbers",
}
_NO_SM = "the cards of this version have one suite, 3DES (card_os.crypto.suites.Algorithm); nothing computes SM4 or SM3"
_NO_OTHER_CHIP = "passports and GlobalPlatform chips are neither read nor written here"
NOT_APPLICABLE = {
    "sm4-diversify-1": _NO_SM,
    "sm4-ecb-xgm": _NO_SM,
    "sm4-gmt0002-ex1": _NO_SM,
    "sm4-gmt0002-ex2": _NO_SM,
    "sm3-1": _NO_SM,
    "ssc3-pki-pin": "the third-generation PKI applet is not on our card; it needs SM3 and SM4",
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


def test_every_published_vector_is_accounted_for():
    assert set(VECTORS) == HERE | ELSEWHERE.keys() | NOT_APPLICABLE.keys()
    assert len(VECTORS) == len(HERE) + len(ELSEWHERE) + len(NOT_APPLICABLE)
    tests = Path(__file__).read_text().split("def of(")[1]
    assert {vector for vector in HERE if f'"{vector}"' not in tests} == set()


def test_there_is_no_suite_that_a_vector_was_left_out_for():
    """Whoever adds SM4 moves its vectors up."""
    assert [algorithm.name for algorithm in Algorithm if algorithm.name.startswith("SM")] == []


def test_the_vectors_held_elsewhere_are_there():
    numbers = json.loads((_PATH.parents[1] / "numbers" / "check_character_vectors.json").read_text())["vectors"]
    held = {vector["id"]: (vector["inputs"], vector["expected"]) for vector in numbers}
    assert {key: held[key] for key in ELSEWHERE} == {
        key: (VECTORS[key]["inputs"], VECTORS[key]["expected"]) for key in ELSEWHERE
    }
