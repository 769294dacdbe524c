"""Make regression.json with pycryptodome, sharing no code with card_os: ``python tests/data/card/make_regression.py``.

These values are regression, not independent evidence: they prove that two implementations read the rule alike.
"""

from __future__ import annotations

import json
from pathlib import Path

from Crypto.Cipher import DES, DES3
from Crypto.Util.strxor import strxor


def diversify(master: bytes, factor: bytes) -> bytes:
    cipher = DES3.new(master, DES3.MODE_ECB)
    return cipher.encrypt(factor) + cipher.encrypt(strxor(factor, b"\xff" * 8))


def tac(key: bytes, data: bytes) -> bytes:
    padded = data + b"\x80"
    padded += bytes(-len(padded) % 8)
    value = bytes(8)
    cipher = DES.new(strxor(key[:8], key[8:]), DES.MODE_ECB)
    for start in range(0, len(padded), 8):
        value = cipher.encrypt(strxor(value, padded[start : start + 8]))
    return value[:4]


def main() -> None:
    master = b"TEST-tac-0000000"
    issuer, serial = bytes.fromhex("01991000FFFFFFFF"), bytes.fromhex("9910000000000001")
    level1 = diversify(master, issuer)
    level2 = diversify(level1, serial)
    purchase = bytes.fromhex("0000012C099910000000420000000720260915081500")
    load = bytes.fromhex("000013880003000013880299100000004220260915081500")
    session = DES3.new(b"TEST-irk-1234567", DES3.MODE_ECB).encrypt(bytes(range(8)))
    values = {
        "about": "regression, not independent evidence; made by make_regression.py with pycryptodome",
        "master": master.hex(),
        "issuer": issuer.hex(),
        "serial": serial.hex(),
        "issuer_child": level1.hex(),
        "card_child": level2.hex(),
        "purchase_tac_input": purchase.hex(),
        "purchase_tac": tac(level2, purchase).hex(),
        "load_tac_input": load.hex(),
        "load_tac": tac(level2, load).hex(),
        "social_key": b"TEST-irk-1234567".hex(),
        "social_first": bytes(range(8)).hex(),
        "social_second": bytes(range(8, 16)).hex(),
        "social_answer": DES.new(session, DES.MODE_ECB).encrypt(bytes(range(8, 16))).hex(),
    }
    Path(__file__).with_name("regression.json").write_text(json.dumps(values, indent=1) + "\n")


if __name__ == "__main__":
    main()
