"""The T=0 layer: 61xx, 6Cxx, ATR, and power."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from card_os.engine import ByteCard, Card, PowerLost
from card_os.engine.store import NoCard
from card_os.wire import commands as cmd
from card_os.wire import identifiers as names
from card_os.wire.dialogue import CardGone
from hardware.readers.connection import Connection
from hardware.readers.drive import exchange
from simulator.softcard.memory import CardMemory


def send(card: ByteCard, text: str) -> str:
    return card.transmit(bytes.fromhex(text)).hex().upper()


SELECT = "00A4040008A000000632010105"


def test_an_answer_without_le_is_fetched(byte_card):
    assert send(byte_card, SELECT)[:2] == "61"
    length = int(send(byte_card, SELECT)[2:], 16)
    answer = send(byte_card, f"00C00000{length:02X}")
    assert answer.startswith("6F")
    assert answer.endswith("9000")
    assert send(byte_card, "00C0000000") == "6985"


def test_an_answer_is_fetched_in_parts(byte_card):
    whole = send(byte_card, SELECT + "00")
    length = int(send(byte_card, SELECT)[2:], 16)
    first = send(byte_card, "00C0000005")
    assert first == whole[:10] + f"61{length - 5:02X}"
    assert send(byte_card, "00C0000000") == whole[10:]


def test_another_command_drops_what_was_not_fetched(byte_card):
    send(byte_card, SELECT)
    send(byte_card, "0084000008")
    assert send(byte_card, "00C0000000") == "6985"


def test_an_answer_is_fetched_with_the_class_of_the_command_too(byte_card):
    """As javax.smartcardio does."""
    send(byte_card, SELECT)
    assert send(byte_card, "805001020B0100000000991000000042") == "610F"
    assert send(byte_card, "80C000000F").endswith("9000")


def test_a_wrong_le_is_told_and_the_right_one_served(byte_card):
    send(byte_card, SELECT)
    assert send(byte_card, "805C000202") == "6C04"
    assert send(byte_card, "805C000204") == "000000009000"
    assert send(byte_card, "00B095001F") == "6C1E"
    assert send(byte_card, "00B201D410") == "6C80"


def test_a_debit_with_a_wrong_le_is_not_done_twice(byte_card):
    """A command with data is never answered 6Cxx after it was executed: its answer waits."""
    send(byte_card, SELECT)
    assert send(byte_card, "805001020B0100000000991000000042" + "05").endswith("610A")
    assert send(byte_card, "00C000000A").endswith("9000")


@pytest.mark.parametrize("text", ["", "00", "00A4", "00A40400", "00A4040002AA"])
def test_what_is_no_apdu(byte_card, text):
    assert send(byte_card, text) in ("6700", "6D00")


def test_the_atr_ends_with_the_chip_serial(byte_card, kit):
    assert byte_card.atr[-8:] == kit.CHIP
    assert byte_card.atr[1] & 0xF == len(byte_card.atr[4:])
    assert byte_card.reset() == byte_card.atr


def test_reset_takes_the_rights_away(byte_card):
    send(byte_card, SELECT)
    assert send(byte_card, "0020000003123456") == "9000"
    byte_card.reset()
    send(byte_card, SELECT)
    assert send(byte_card, "805000020B0100000001991000000042") == "6982"


def test_it_is_a_connection_and_drive_resolves_its_answers(byte_card):
    connection: Connection = byte_card
    answer = exchange(connection, cmd.select_name(names.TRANSIT_AID))
    assert answer.sw.value == 0x9000
    assert exchange(connection, cmd.get_balance()).data == bytes(4)


def test_a_card_without_power_is_gone_until_reset(byte_card, card_memory):
    send(byte_card, SELECT)
    card_memory.cut_after(0)
    with pytest.raises(PowerLost):
        send(byte_card, "0020000003123456")
    with pytest.raises(CardGone):
        send(byte_card, SELECT)
    with pytest.raises(CardGone):
        byte_card.reset()
    card_memory.restore_power()
    byte_card.reset()
    assert send(byte_card, SELECT)[:2] == "61"


def test_cells_that_are_no_card_are_refused(kit):
    with pytest.raises(NoCard, match="blank_card"):
        Card(CardMemory(), kit.counting_random())


@pytest.mark.parametrize(("serial", "key"), [(bytes(7), bytes(16)), (bytes(8), bytes(8))])
def test_a_blank_card_wants_its_serial_and_key(kit, serial, key):
    with pytest.raises(ValueError, match="bytes; it must have"):
        kit.blank_card(CardMemory(), serial, key, kit.counting_random())


_INS = st.sampled_from(bytes.fromhex("20505254585A5C5E7072828488A4B0B2C0D4D6DCDEE0E2FA1E18"))
_HEADS = st.tuples(st.sampled_from([0x00, 0x04, 0x80, 0x84, 0xBF]), _INS, st.integers(0, 255), st.integers(0, 255)).map(
    bytes
)
_BODIES = st.one_of(
    st.just(b""),
    st.binary(min_size=1, max_size=1),
    st.binary(min_size=1, max_size=40).map(lambda data: bytes((len(data),)) + data),
)
_FIRST_BYTES = frozenset({0x61, 0x62, 0x63, 0x67, 0x69, 0x6A, 0x6B, 0x6C, 0x6D, 0x6E, 0x90, 0x93, 0x94})


def test_any_bytes_get_a_status_word_and_change_no_money(card_memory, kit):
    image = card_memory.content

    @given(commands=st.lists(st.tuples(_HEADS, _BODIES).map(b"".join), min_size=1, max_size=8))
    def answers(commands):
        card = ByteCard(Card(CardMemory(image), kit.counting_random()))
        send(card, SELECT)
        for command in commands:
            assert card.transmit(command)[-2] in _FIRST_BYTES
        card.reset()
        send(card, SELECT)
        assert send(card, "805C000204") == "000000009000"

    answers()
