"""Historical bytes and chip serial out of answers to reset."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from card_os.engine.bytecard import ATR_HEAD
from card_os.wire.atr import MalformedAtr, chip_serial, historical_bytes


@pytest.mark.parametrize(
    ("atr", "historical"),
    [
        ("3B6D000000814E43238697159900BF7C7A", "00814E43238697159900BF7C7A"),  # standards.md §5.4, document sample
        ("3B00", ""),
        ("3B8001" + "81", ""),
        ("3BDF18008131FE588031B05202046405C903AC73B7B1D422", "8031B05202046405C903AC73B7B1D4"),
        ("3F2F008069AF0204013A0E00000E83169F16", "8069AF0204013A0E00000E83169F16"),
    ],
)
def test_historical_bytes(atr, historical):
    assert historical_bytes(bytes.fromhex(atr)).hex().upper() == historical


def test_our_card_shows_its_chip_serial():
    assert chip_serial(ATR_HEAD + b"\x01\x02\x03\x04\x05\x06\x07\x08") == bytes(range(1, 9))


@pytest.mark.parametrize("atr", ["", "3B", "006D", "3B6D0000", "3BF0", "3B0100", "3B8081"])
def test_what_holds_no_serial_is_refused(atr):
    with pytest.raises(MalformedAtr):
        chip_serial(bytes.fromhex(atr))


@given(st.binary(max_size=33))
def test_rubbish_raises_only_malformed_atr(raw):
    try:
        assert len(historical_bytes(b"\x3b" + raw)) <= 15
    except MalformedAtr:
        return
