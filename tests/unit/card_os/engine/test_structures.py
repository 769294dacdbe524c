"""Every file structure at the ends of its lengths; records by number and by identifier; several cached updates in one debit;
selection by partial name and next occurrence."""

from __future__ import annotations

import pytest

from card_os.profile import personalisation as perso
from card_os.wire import commands as cmd
from card_os.wire import identifiers as names
from card_os.wire.apdu import CommandApdu

FREE = "F0F0FF00"
SFI = 0x0B


@pytest.fixture
def opened(card, kit):
    card.authenticate(names.KEY_MASTER_FILE, kit.child("maintenance"))
    card.send(cmd.select_name(names.TRANSIT_AID))
    return card


def create(desk, parameters: str, sw: int = 0x9000, fid: int = SFI) -> None:
    desk.send(CommandApdu(0x80, 0xE0, fid >> 8, fid & 0xFF, bytes.fromhex(parameters + FREE)), sw)


def by_tag(instruction: int, tag: int, data: bytes = b"", sfi: int = SFI) -> CommandApdu:
    return CommandApdu(0x00, instruction, tag, sfi << 3, data, None if data else 256)


@pytest.mark.parametrize("size", [1, 255, 256, 257, 600])
def test_transparent(opened, size):
    create(opened, f"28{size:04X}")
    content = bytes(number * 7 & 0xFF for number in range(size))
    for at in range(0, size, 200):
        opened.send(cmd.update_binary(SFI, content[at : at + 200], offset=at) if at < 256 else _far(content, at))
    opened.send(
        CommandApdu(0x00, 0xD6, 0x80 | SFI, size - 1, b"xy") if size <= 256 else _far(content + b"x", size - 1, 2),
        0x6700,
    )
    read = b"".join(
        opened.send(CommandApdu(0x00, 0xB0, at >> 8, at & 0xFF, ne=min(200, size - at))) for at in range(0, size, 200)
    )
    assert read == content
    opened.send(CommandApdu(0x00, 0xB0, size >> 8, size & 0xFF, ne=1), 0x6B00)
    opened.send(CommandApdu(0x00, 0xD6, size >> 8, size & 0xFF, b"x"), 0x6B00)


def _far(content: bytes, at: int, length: int = 200) -> CommandApdu:
    """Offsets from 256 on go to the current file."""
    return CommandApdu(0x00, 0xD6, at >> 8, at & 0xFF, content[at : at + length])


@pytest.mark.parametrize("structure", ["2A", "2E"], ids=["fixed", "cyclic"])
@pytest.mark.parametrize(("count", "length"), [(1, 1), (1, 255), (2, 255), (3, 2), (255, 1)])
def test_records_of_one_length(opened, structure, count, length):
    create(opened, f"{structure}{count:02X}{length:02X}")
    opened.send(cmd.read_record(SFI, 1), 0x6A83)
    for number in range(count):
        opened.send(cmd.append_record(SFI, bytes((number,)) * length))
    numbers = range(count) if structure == "2A" else range(count - 1, -1, -1)
    for place, number in ((1, numbers[0]), (count, numbers[-1])):
        assert opened.send(cmd.read_record(SFI, place)) == bytes((number,)) * length
    if count < 255:
        opened.send(cmd.read_record(SFI, count + 1), 0x6A83)
    opened.send(cmd.update_record(SFI, count, b"u" * length))
    assert opened.send(cmd.read_record(SFI, count)) == b"u" * length
    if length < 255:
        opened.send(cmd.append_record(SFI, b"x" * (length + 1)), 0x6700)
        opened.send(cmd.update_record(SFI, 1, b"x" * (length + 1)), 0x6700)
    opened.send(cmd.append_record(SFI, b"n" * length), 0x6A84 if structure == "2A" else 0x9000)
    if structure == "2E":
        assert opened.send(cmd.read_record(SFI, 1)) == b"n" * length
        opened.send(cmd.read_record(SFI, count + 1), 0x6A83) if count < 255 else None


@pytest.mark.parametrize("lengths", [(1,), (255,), (1, 255, 1), (10,) * 20])
def test_records_of_their_own_length(opened, lengths):
    create(opened, f"2C{sum(1 + one for one in lengths):04X}")
    for number, length in enumerate(lengths, 1):
        opened.send(cmd.append_record(SFI, bytes((number,)) * length))
    opened.send(cmd.append_record(SFI, b"x"), 0x6A84)
    for number, length in enumerate(lengths, 1):
        assert opened.send(cmd.read_record(SFI, number)) == bytes((number,)) * length
        assert opened.send(by_tag(0xB2, number)) == bytes((number,)) * length
    opened.send(cmd.read_record(SFI, len(lengths) + 1), 0x6A83)


@pytest.mark.parametrize("parameters", ["280000", "2C0000"])
def test_a_file_without_room_takes_nothing(opened, parameters):
    create(opened, parameters)
    if parameters.startswith("28"):
        opened.send(cmd.read_binary(SFI), 0x6B00)
    else:
        opened.send(cmd.append_record(SFI, b"x"), 0x6A84)


def test_a_full_card_takes_no_more(opened):
    create(opened, "287000", 0x6A84)
    create(opened, "280100")


def test_a_record_is_updated_by_its_identifier(opened):
    create(opened, "2C0020")
    opened.send(cmd.append_record(SFI, b"\xaa\x01one"))
    opened.send(cmd.append_record(SFI, b"\xbb\x01two"))
    opened.send(by_tag(0xDC, 0xBB, b"\xbb\x02owt"))
    assert opened.send(cmd.read_record(SFI, 2)) == b"\xbb\x02owt"
    opened.send(by_tag(0xDC, 0xCC, b"\xcc\x02xxx"), 0x6A83)
    opened.send(by_tag(0xDC, 0xBB, b"\xbb"), 0x6700)


def test_several_cached_updates_are_done_by_one_debit_or_not_at_all(opened, transit_sam, kit):
    create(opened, "2C0040")
    for record in (b"\x01\x04\x00one", b"\x02\x04\x00two", b"\x11\x04\x00own"):
        opened.send(cmd.append_record(SFI, record))
    before = [opened.send(cmd.read_record(SFI, number)) for number in (1, 2, 3)]

    def cache(tag: int, record: bytes, sw: int = 0x9000) -> None:
        opened.send(CommandApdu(0x80, 0xDC, tag, SFI << 3, record), sw)

    for finished in (False, True):
        debit = kit.begin_purchase(opened, transit_sam, 0)
        cache(0x02, b"\x02\x04\x00xxx")
        cache(0x02, b"\x02\x04\x00TWO")
        cache(0x11, b"\x11\x04\x00OWN")
        cache(0x07, b"\x07\x04\x00six", 0x6A83)
        opened.send(cmd.cache_trip(bytes(48)))
        assert [opened.send(cmd.read_record(SFI, number)) for number in (1, 2, 3)] == before
        if not finished:
            opened.card.reset()
            opened.send(cmd.select_name(names.TRANSIT_AID))
            continue
        opened.send(debit)
    after = [opened.send(cmd.read_record(SFI, number)) for number in (1, 2, 3)]
    assert after == [before[0], b"\x02\x04\x00TWO", b"\x11\x04\x00OWN"]
    assert opened.send(cmd.read_record(0x1E, 1)) == bytes(48)


def test_more_than_one_debit_can_change_is_refused_and_the_debit_still_works(opened, transit_sam, kit):
    create(opened, "2A0AFF")
    for _ in range(10):
        opened.send(cmd.append_record(SFI, bytes(255)))
    debit = kit.begin_purchase(opened, transit_sam, 0)
    answers = [
        opened.card.transmit(CommandApdu(0x80, 0xDC, number, SFI << 3, b"\x99" * 255)).sw.value
        for number in range(1, 11)
    ]
    taken = answers.count(0x9000)
    assert answers == [0x9000] * taken + [0x6A84] * (10 - taken)
    assert taken >= 5
    opened.send(debit)
    changed = [opened.send(cmd.read_record(SFI, number)) == b"\x99" * 255 for number in range(1, 11)]
    assert changed == [True] * taken + [False] * (10 - taken)


def chosen(desk, name: bytes, *, following: bool = False, sw: int = 0x9000) -> bytes:
    answer = desk.send(CommandApdu(0x00, 0xA4, 0x04, 0x02 if following else 0x00, name, 256), sw)
    return answer[4 : 4 + answer[3]] if answer else b""


def test_partial_names_and_the_next_occurrence(card, kit):
    card.authenticate(names.KEY_MASTER_FILE, kit.child("maintenance"))
    family = (b"CITY.ONE", b"CITY.TWO", b"CITY.THREE")
    for number, name in enumerate(family):
        card.send(cmd.select_fid(names.MASTER_FILE))
        card.send(perso.create_application(kit.ApplicationSpec(name=name, fid=0x2001 + number)))
    assert chosen(card, b"CITY") == family[0]
    assert [chosen(card, b"CITY", following=True) for _ in range(2)] == list(family[1:])
    chosen(card, b"CITY", following=True, sw=0x6A82)
    assert chosen(card, b"CITY.T", following=False) == family[1]
    assert chosen(card, b"CITY.T", following=True) == family[2]
    assert chosen(card, family[1]) == family[1]
    chosen(card, b"CITY.FOUR", sw=0x6A82)


def test_an_ef_is_selected_under_its_df_only(card):
    card.send(cmd.select_name(names.SOCIAL_AID))
    card.send(CommandApdu(0x00, 0xA4, 0x02, 0x00, b"\xef\x06"))
    assert card.send(CommandApdu(0x00, 0xB2, 0x01, 0x04, ne=256))[:1] == b"\x08"
    card.send(CommandApdu(0x00, 0xA4, 0x02, 0x00, b"\x3f\x00"), 0x6A82)
    card.send(CommandApdu(0x00, 0xA4, 0x02, 0x00, b"\x10\x01"), 0x6A82)
