from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from card_os.wire.atr import MalformedAtr, chip_serial, historical_bytes


@pytest.mark.parametrize(
    ("atr", "historical"),
    [
        ("3B00", ""),
        ("3B6D000000814E43238697159900BF7C7A", "00814E43238697159900BF7C7A"),  # history: standards.md §5.4
        ("3B8180018080", "80"),  # TD1 80, TD2 01, one historical byte, TCK
    ],
    ids=["none", "citizen card", "contactless"],
)
def test_historical_bytes(atr: str, historical: str) -> None:
    assert historical_bytes(bytes.fromhex(atr)).hex().upper() == historical


def test_chip_serial_is_the_last_eight() -> None:
    assert chip_serial(bytes.fromhex("3B6D000000814E43238697159900BF7C7A")).hex().upper() == "8697159900BF7C7A"


@pytest.mark.parametrize(
    "atr", ["", "3B", "3C00", "3B6D0000", "3BF0", "3B80", "3B0800112233"], ids=lambda atr: atr or "none"
)
def test_malformed_atr_is_refused(atr: str) -> None:
    with pytest.raises(MalformedAtr):
        historical_bytes(bytes.fromhex(atr))


def test_atr_without_a_chip_serial_is_refused() -> None:
    with pytest.raises(MalformedAtr, match="1 historical bytes"):
        chip_serial(bytes.fromhex("3B8180018080"))


@given(st.binary(max_size=40))
def test_rubbish_raises_only_our_error(raw: bytes) -> None:
    try:
        assert len(historical_bytes(raw)) <= 15
    except MalformedAtr:
        return
