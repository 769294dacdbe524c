"""A dump has all that is free to read, of ours and of cards that know less, and comes back from its document."""

from __future__ import annotations

import json
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from card_os.engine import ByteCard, Card
from card_os.wire.tlv import Tlv, encode_all
from hardware.readers.drive import Ports, drive
from simulator.softcard.demonstration import demonstration_memory, identity_card
from terminals.dump.document import CardDump, MalformedDump, from_json, to_json, to_text
from terminals.dump.walk import PIV, DirectoryFound, FileFound, walk


@pytest.fixture
def dump() -> CardDump:
    card = ByteCard(Card(demonstration_memory(4), Random(4).randbytes))
    return CardDump(card.atr, drive(walk(), Ports(card=card)))


def directory(dump: CardDump, name: str) -> DirectoryFound:
    return next(each for each in dump.directories if each.name == bytes.fromhex(name))


def test_every_file_of_every_application_is_found_once(dump):
    transit = directory(dump, "A000000632010105")
    found = {file.sfi: file for file in transit.files}
    assert set(found) == {0x15, 0x16, 0x17, 0x18, 0x1A, 0x1E}
    assert found[0x15].data[10:20].hex() == "03109910000000000004"
    assert found[0x16] == FileFound(0x16, status=0x6982)
    assert [len(record) for record in found[0x1A].records] == [128]
    assert transit.balances[2, 0] == bytes(4)
    social = directory(dump, "7378312E73682EC9E7BBE1B1A3D5CF")
    assert [len(file.records) for file in social.files] == [7, 7]
    assert len({each.name for each in dump.directories}) == len(dump.directories)


def test_the_objects_of_a_piv_application_are_found():
    dump = drive(walk(), Ports(card=identity_card(4)))
    piv = next(each for each in dump if each.name == PIV)
    assert set(piv.objects) >= {0x5FC102, 0x5FC105, 0x5FC10A}, "CHUID and certificates"
    assert 0x5FC109 not in piv.objects, "printed information is behind the PIN"
    assert piv.objects[0x5FC105][:1] == b"\x53"


def test_what_needs_the_pin_is_not_in_it(dump):
    certificate_number = b"11010519491231002X".ljust(32, b"\x00")  # as file 16 has it; EF06 has 18 bytes
    assert certificate_number in demonstration_memory(4).content
    assert certificate_number.hex() not in to_json(dump).lower()


def test_the_document_comes_back(dump):
    assert from_json(to_json(dump)) == dump


def test_the_text_names_files_and_says_what_is_closed(dump):
    text = to_text(dump)
    assert "file 15 public application information: 0199" in text
    assert "file 16 cardholder: 6982 security status not satisfied" in text
    assert "(1PAY.SYS.DDF01): 9000" in text


_BYTES = st.binary(max_size=40)
_FILES = st.builds(
    FileFound, st.integers(1, 30), _BYTES, st.lists(_BYTES, max_size=3).map(tuple), st.sampled_from([0x9000, 0x6982])
)
_DIRECTORIES = st.builds(
    DirectoryFound,
    _BYTES,
    _BYTES,
    st.sampled_from([0x9000, 0x6283]),
    st.lists(_FILES, max_size=3).map(tuple),
    st.dictionaries(st.tuples(st.integers(1, 2), st.integers(0, 3)), _BYTES, max_size=3),
    st.dictionaries(st.integers(1, 0xFFFFFF), _BYTES, max_size=3),
)


@given(atr=_BYTES, directories=st.lists(_DIRECTORIES, max_size=3).map(tuple))
def test_any_dump_comes_back_and_can_be_shown(atr, directories):
    dump = CardDump(atr, directories)
    assert from_json(to_json(dump)) == dump
    assert to_text(dump).startswith("ATR")


@pytest.mark.parametrize("text", ["", "[]", "null", "{}", '{"format": "citycard dump 1"}', '{"format": "other"}'])
def test_what_is_no_dump_is_refused(text):
    with pytest.raises(MalformedDump):
        from_json(text)


def test_a_document_with_a_wrong_value_is_refused(dump):
    document = json.loads(to_json(dump))
    document["directories"][0]["status"] = "xyz"
    with pytest.raises(MalformedDump, match="no dump of a card"):
        from_json(json.dumps(document))


class Foreign:
    """A card that answers from a table of whole commands, and everything else with one status."""

    atr = b"\x3b\x00"

    def __init__(self, answers: dict[str, str], otherwise: str) -> None:
        self._answers = answers
        self._otherwise = otherwise
        self.count = 0

    def reset(self) -> bytes:
        return self.atr

    def transmit(self, command: bytes) -> bytes:
        self.count += 1
        return bytes.fromhex(self._answers.get(command.hex().upper(), self._otherwise))


@pytest.mark.parametrize("status", ["6D00", "6E00", "6700", "6F00", "6A82", "6982"])
def test_a_card_that_knows_nothing_gives_an_empty_dump(status):
    assert drive(walk(), Ports(card=Foreign({}, status))) == ()


def test_an_application_listed_in_the_ppse_is_walked_too():
    aid = bytes.fromhex("A0000006320101FF")
    entry = Tlv(0x61, Tlv(0x4F, aid).encode()).encode()
    ppse = Tlv(0x6F, encode_all((Tlv(0x84, b"2PAY.SYS.DDF01"), Tlv(0xA5, Tlv(0xBF0C, entry).encode())))).encode()
    card = Foreign(
        {
            "00A404000E" + b"2PAY.SYS.DDF01".hex().upper() + "00": ppse.hex() + "9000",
            f"00A40400{len(aid):02X}{aid.hex().upper()}00": "6F0A84" + f"{len(aid):02X}" + aid.hex() + "9000",
        },
        "6A82",
    )
    assert [each.name for each in drive(walk(), Ports(card=card))] == [b"2PAY.SYS.DDF01", aid]


def test_a_file_longer_than_256_bytes_is_read_on():
    fci = "6F0A8408A000000632010105"
    whole = bytes(range(256)) + bytes(range(100))
    card = Foreign(
        {
            "00A4040008A00000063201010500": fci + "9000",
            "00B0950000": whole[:256].hex() + "9000",
            "00B095FF00": whole[255:].hex() + "9000",
        },
        "6A82",
    )
    (found,) = drive(walk(), Ports(card=card))
    assert found.files == (FileFound(0x15, data=whole),)
