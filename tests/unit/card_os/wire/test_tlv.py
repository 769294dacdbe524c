"""BER-TLV."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from card_os.wire.tlv import MalformedTlv, Tlv, encode_all, encode_length, find, parse

TAGS = st.sampled_from([0x84, 0xA5, 0x6F, 0x9F0C, 0xBF0C, 0xDF8101, 0x01, 0x1F7F])
OBJECTS = st.lists(st.builds(Tlv, TAGS, st.binary(max_size=300)), max_size=5)


@given(OBJECTS)
def test_what_is_encoded_is_parsed(objects):
    assert parse(encode_all(objects)) == tuple(objects)


@given(st.binary(max_size=60))
def test_rubbish_raises_only_malformed_tlv(raw):
    try:
        objects = parse(raw)
    except MalformedTlv:
        return
    assert all(isinstance(item, Tlv) for item in objects)


@pytest.mark.parametrize(
    ("length", "encoded"),
    [(0, "00"), (1, "01"), (127, "7f"), (128, "8180"), (255, "81ff"), (256, "820100"), (65535, "82ffff")],
)
def test_length_takes_its_shortest_form(length, encoded):
    assert encode_length(length).hex() == encoded
    assert parse(Tlv(0x84, bytes(length)).encode())[0].value == bytes(length)


def test_value_is_found_by_its_path():
    fci = bytes.fromhex("6F1284 08A000000632010105 A506 9F0C03010203".replace(" ", ""))
    assert find(fci, 0x6F, 0x84) == bytes.fromhex("A000000632010105")
    assert find(fci, 0x6F, 0xA5, 0x9F0C) == b"\x01\x02\x03"
    assert find(fci, 0x6F, 0x88) is None


@pytest.mark.parametrize("raw", ["84", "8402AA", "9F", "1F818181", "8480", "848300000100"])
def test_broken_objects_are_refused(raw):
    with pytest.raises(MalformedTlv):
        parse(bytes.fromhex(raw))


@pytest.mark.parametrize("tag", [0, -1, 0x9F, 0x8484])
def test_numbers_that_are_no_tags_are_refused(tag):
    with pytest.raises(ValueError):
        Tlv(tag, b"")
