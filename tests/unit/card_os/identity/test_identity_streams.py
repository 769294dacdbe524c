"""Whatever is sent: a status word, no exception, and nothing written by one who has proved nothing."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from card_os.engine import ByteCard
from card_os.wire import identity as wire
from card_os.wire.apdu import CommandApdu
from card_os.wire.tlv import Tlv

CHUID = 0x5FC102
_TAGS = st.sampled_from([0x5C, 0x53, 0x7C, 0x80, 0x81, 0x82, 0x85, 0xAC, 0x7E, 0x7F49, 0x5FC105])
_VALUES = st.one_of(
    st.binary(max_size=40),
    st.sampled_from([bytes.fromhex("5FC102"), b"\x7e", b"\x11", b"\x07", bytes(32), b"\x04" + bytes(64), bytes(256)]),
)
_ITEMS = st.lists(st.tuples(_TAGS, _VALUES), max_size=3).map(
    lambda items: b"".join(Tlv(tag, value).encode() for tag, value in items)
)
_BODIES = st.one_of(
    st.binary(max_size=30),
    _ITEMS,
    st.tuples(_TAGS, _ITEMS).map(lambda pair: Tlv(*pair).encode()),
    st.sampled_from([wire.padded("000000"), wire.padded("123456") + wire.padded("654321")]),
)
_COMMANDS = st.builds(
    CommandApdu,
    st.sampled_from([0x00, 0x10, 0x00, 0x80, 0x0C]),
    st.sampled_from(bytes.fromhex("20242C47478787CBCBDBDBFD84A4F7FF82B0")),
    st.sampled_from([0x00, 0x03, 0x07, 0x08, 0x11, 0x3F, 0xFF]),
    st.sampled_from([0x00, 0x80, 0x81, 0x9A, 0x9B, 0x9C, 0x9D, 0x9E, 0xFF]),
    _BODIES,
    st.sampled_from([None, 256]),
)


def test_any_stream_gets_status_words_and_writes_nothing(desk, identity_kit):
    desk.manage()
    desk.send(*wire.put_data(CHUID, b"c" * 300))
    for slot, algorithm in ((0x9A, 0x11), (0x9E, 0x11), (0x9D, 0x07)):
        desk.generate(slot, algorithm)
    filled = desk.memory.content

    @given(commands=st.lists(_COMMANDS, min_size=1, max_size=12))
    def answers(commands):
        stranger = identity_kit.powered(filled)
        for command in commands:
            assert stranger.ask(command).sw.value >> 12 in (6, 9)
        stranger.reset()
        assert stranger.send(wire.get_data(CHUID)) == desk.send(wire.get_data(CHUID))
        sign = wire.sign(0x11, 0x9E, bytes(32))
        assert stranger.send(*sign) == desk.send(*sign)

    answers()


def test_any_bytes_at_the_reader(desk):
    reader = ByteCard(desk.card)
    head = st.sampled_from(bytes.fromhex("202447872CCBDBFDC0")).map(lambda ins: bytes((0x00, ins)))

    @given(commands=st.lists(st.tuples(head, st.binary(max_size=60)).map(b"".join), max_size=8))
    def answers(commands):
        for command in commands:
            assert len(reader.transmit(command)) >= 2

    answers()
