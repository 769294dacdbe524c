"""Regression values of a second implementation, and what must hold for all inputs."""

from __future__ import annotations

import json
import pickle
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from card_os.crypto import purse as macs
from card_os.crypto.authentication import city_factor, social_cryptogram
from card_os.crypto.diversification import child_key, child_keys, child_of_levels, factor_column
from card_os.crypto.mac import fold, pad80, retail_mac
from card_os.crypto.secret import Secret
from card_os.crypto.secure_messaging import LineProtectionFailed, deciphered, enciphered, with_mac, without_mac
from card_os.crypto.suites import TRIPLE_DES
from card_os.wire.apdu import CommandApdu

_PATH = Path(__file__).parents[3] / "data" / "card" / "regression.json"
REGRESSION = {name: bytes.fromhex(value) for name, value in json.loads(_PATH.read_text()).items() if name != "about"}
KEYS = st.binary(min_size=16, max_size=16)


def test_diversification_equals_the_second_implementation():
    first = child_key(REGRESSION["master"], REGRESSION["issuer"])
    assert first == REGRESSION["issuer_child"]
    assert (
        child_of_levels(REGRESSION["master"], (REGRESSION["issuer"], REGRESSION["serial"])) == REGRESSION["card_child"]
    )


def test_purchase_tac_equals_the_second_implementation():
    request = {
        "amount_minor": 300,
        "transaction_type": 9,
        "terminal": bytes.fromhex("991000000042"),
        "terminal_sequence": 7,
        "date": bytes.fromhex("20260915"),
        "time": bytes.fromhex("081500"),
    }
    assert macs.purchase_tac_input(**request) == REGRESSION["purchase_tac_input"]
    assert macs.purchase_tac(REGRESSION["card_child"], **request) == REGRESSION["purchase_tac"]


def test_load_tac_equals_the_second_implementation():
    request = {
        "new_balance_minor": 5000,
        "online_sequence": 3,
        "amount_minor": 5000,
        "transaction_type": 2,
        "terminal": bytes.fromhex("991000000042"),
        "date": bytes.fromhex("20260915"),
        "time": bytes.fromhex("081500"),
    }
    assert macs.load_tac_input(**request) == REGRESSION["load_tac_input"]
    assert macs.load_tac(REGRESSION["card_child"], **request) == REGRESSION["load_tac"]


def test_social_cryptogram_equals_the_second_implementation():
    answer = social_cryptogram(
        REGRESSION["social_key"], first=REGRESSION["social_first"], second=REGRESSION["social_second"]
    )
    assert answer == REGRESSION["social_answer"]


@given(master=KEYS, factors=st.lists(st.binary(min_size=8, max_size=8), max_size=5))
def test_a_column_of_children_equals_child_by_child(master, factors):
    assert child_keys(master, b"".join(factors)) == b"".join(child_key(master, factor) for factor in factors)


def test_factor_column_is_factor_and_its_inverse():
    assert factor_column(bytes.fromhex("00FF00FF00FF00FF")).hex().upper() == "00FF00FF00FF00FFFF00FF00FF00FF00"


@given(st.binary(max_size=600))
def test_padding_is_80_and_the_fewest_zeros(data):
    padded = pad80(data)
    assert padded.startswith(data + b"\x80")
    assert not padded[len(data) + 1 :].strip(b"\x00")
    assert len(padded) == len(data) // 8 * 8 + 8


@given(left=st.binary(min_size=8, max_size=8), data=st.binary(max_size=64))
def test_retail_mac_with_equal_halves_is_single_des(left, data):
    assert retail_mac(left + left, pad80(data)) == retail_mac(left, pad80(data))


def test_fold_is_exclusive_or():
    assert fold(bytes.fromhex("00112233445566770F0F0F0F0F0F0F0F")).hex() == "0f1e2d3c4b5a6978"


@given(key=KEYS, data=st.binary(max_size=200), challenge=st.sampled_from([bytes(4), b"\x01" * 8]))
def test_secured_command_comes_back_and_no_changed_bit_does(key, data, challenge):
    secured = with_mac(CommandApdu(0x00, 0xD6, 0x95, 0, data), key, challenge=challenge)
    assert secured.cla == 0x04
    assert without_mac(secured, key, challenge=challenge) == data
    for changed in (
        CommandApdu(0x04, 0xD6, 0x96, 0, secured.data),
        CommandApdu(0x04, 0xD6, 0x95, 0, secured.data[:-1] + bytes((secured.data[-1] ^ 1,))),
    ):
        with pytest.raises(LineProtectionFailed):
            without_mac(changed, key, challenge=challenge)


@given(key=KEYS, data=st.binary(max_size=100))
def test_enciphered_data_comes_back(key, data):
    assert deciphered(key, enciphered(key, data)) == data


@pytest.mark.parametrize("length", [0, 7, 8, 16])
def test_what_was_not_enciphered_is_refused(length):
    with pytest.raises(LineProtectionFailed):
        deciphered(b"TEST-key-0000000", bytes(length))


@pytest.mark.parametrize("length", [0, 7, 15, 17, 24])
def test_keys_of_other_lengths_are_refused(length):
    with pytest.raises(ValueError, match=f"{length} bytes"):
        TRIPLE_DES.encrypt(bytes(length), bytes(8))


@pytest.mark.parametrize("region", ["", "11000", "1100000", "11000x"])
def test_city_factor_wants_six_digits(region):
    with pytest.raises(ValueError, match="six digits"):
        city_factor(region)


def test_city_factor_is_region_and_sx():
    assert city_factor("110000") == b"110000sx"


def test_keys_do_not_show_themselves_and_are_not_pickled():
    key = child_key(b"TEST-key-0000000", bytes(8))
    assert isinstance(key, Secret)
    for shown in (repr(key), str(key), f"{key}", f"{[key]}"):
        assert key.hex() not in shown
        assert "redacted" in shown
    with pytest.raises(TypeError, match="not pickled"):
        pickle.dumps(key)
