"""BCD, padded text, and command builders against commands published elsewhere."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from card_os.wire import commands as cmd
from card_os.wire.apdu import CommandApdu, MalformedApdu, ResponseApdu
from card_os.wire.records import from_bcd, from_text, to_bcd, to_text
from card_os.wire.status import StatusWord


@given(st.text("0123456789", min_size=0, max_size=20).filter(lambda digits: len(digits) % 2 == 0))
def test_digits_come_back(digits):
    assert from_bcd(to_bcd(digits, len(digits) // 2)) == digits


@given(st.text("0123456789", max_size=16))
def test_padded_digits_come_back(digits):
    assert from_bcd(to_bcd(digits, 8, pad="F"), pad="F") == digits


@pytest.mark.parametrize(("digits", "length"), [("123", 2), ("12345", 2), ("12A4", 2), ("١٢", 1)])
def test_what_are_no_digits_is_refused(digits, length):
    with pytest.raises(ValueError, match="decimal digits"):
        to_bcd(digits, length)


@pytest.mark.parametrize("text", ["", "张三", "Zhang", "阿依古丽·买买提", "𠮷"])
def test_names_come_back(text):
    assert from_text(to_text(text, 30)) == text


def test_a_name_that_does_not_fit_is_refused():
    with pytest.raises(ValueError, match="20 bytes"):
        to_text("张" * 11, 20)


# Each as written in shared/card/standards.md, from sources that sent it to a real card.
PUBLISHED = [
    (cmd.get_balance(), "805C000204"),
    (cmd.select_fid(0x3F00), "00A40000023F0000"),
    (cmd.read_binary(0x15, length=0x1E), "00B095001E"),
    (cmd.read_record(0x18, 1), "00B201C400"),
    (cmd.read_record(0x05, 1), "00B2012C00"),
    (cmd.verify_pin(0, bytes.fromhex("123456")), "0020000003123456"),
    (cmd.initialize_for_load(key_id=1, amount_minor=0, terminal=bytes(6)), "805000020B010000000000000000000010"),
    (
        cmd.initialize_for_compound_purchase(key_id=1, amount_minor=500, terminal=bytes.fromhex("300089000340")),
        "805003020B01000001F43000890003400F",
    ),
    (cmd.cache_transit_process(bytes(128)), "80DC01D080" + "00" * 128),
    (cmd.cache_trip(bytes(48)), "80DC00F030" + "00" * 48),
    (cmd.get_transaction_prove(transaction_type=9, sequence=0x42D), "805A000902042D08"),
]


@pytest.mark.parametrize(("command", "published"), PUBLISHED, ids=lambda value: str(value)[:12])
def test_builders_send_the_published_bytes(command, published):
    assert command.encode() == bytes.fromhex(published)


@pytest.mark.parametrize(
    ("parser", "length"),
    [
        (cmd.LoadInitialized.parse, 16),
        (cmd.PurchaseInitialized.parse, 15),
        (cmd.SamInitialized.parse, 8),
        (cmd.Debited.parse_debit, 8),
        (cmd.Debited.parse_prove, 8),
    ],
)
def test_answers_of_wrong_length_are_refused(parser, length):
    parser(bytes(length))
    for wrong in (0, length - 1, length + 1):
        with pytest.raises(cmd.MalformedAnswer, match=f"{wrong} bytes"):
            parser(bytes(wrong))


def test_debit_and_prove_order_their_answers_differently():
    assert cmd.Debited.parse_debit(b"TACTMAC2").tac == b"TACT"
    assert cmd.Debited.parse_prove(b"MAC2TACT").tac == b"TACT"


COMMANDS = st.builds(
    CommandApdu,
    *[st.integers(0, 255)] * 4,
    st.binary(max_size=300),
    st.one_of(st.none(), st.sampled_from([1, 2, 255, 256])),
)


@given(COMMANDS)
def test_commands_come_back(command):
    assert CommandApdu.parse(command.encode()) == command


@pytest.mark.parametrize("length", [0, 1, 127, 128, 255, 256, 65535])
@pytest.mark.parametrize("ne", [None, 256, 65536])
def test_commands_of_every_boundary_length_come_back(length, ne):
    command = CommandApdu(0, 0xD6, 0, 0, bytes(length), ne)
    assert CommandApdu.parse(command.encode()) == command


@given(st.binary(max_size=20))
def test_rubbish_is_a_malformed_apdu(raw):
    try:
        CommandApdu.parse(raw)
    except MalformedApdu:
        return


@pytest.mark.parametrize(
    ("sw", "retries", "available", "right"),
    [
        (0x63C2, 2, None, None),
        (0x6983, 0, None, None),
        (0x6110, None, 16, None),
        (0x6100, None, 256, None),
        (0x6C1E, None, None, 30),
        (0x9000, None, None, None),
    ],
)
def test_status_words_carry_their_numbers(sw, retries, available, right):
    word = StatusWord(sw)
    assert (word.retries_left, word.bytes_available, word.right_length) == (retries, available, right)


def test_an_answer_ends_with_a_status_word():
    assert ResponseApdu.parse(bytes.fromhex("019000")) == ResponseApdu(b"\x01", StatusWord.OK)
    with pytest.raises(MalformedApdu):
        ResponseApdu.parse(b"\x90")
