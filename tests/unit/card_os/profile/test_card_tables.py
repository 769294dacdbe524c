"""The tables of every card: unique names, lengths that fit, rights that somebody can win; and the page made of them."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import pytest

from card_os.profile.access import Level
from card_os.profile.codecs import Layout, RecordSet
from card_os.profile.files import ApplicationSpec, CardSpec, KeyType, PinSpec, Structure
from card_os.profile.identity import DATA_OBJECTS, ENTRY_COUNT, IDENTITY_CARD, KEY_SLOTS
from card_os.profile.psam import HOSPITAL_SAM, TRANSIT_SAM
from card_os.profile.reference import COMMAND, opener, page
from card_os.profile.sm4 import CITIZEN_CARD_SM4, HOSPITAL_SAM_SM4, TRANSIT_SAM_SM4
from card_os.profile.social_areas import AREAS_CARD
from card_os.wire.identifiers import MASTER_FILE
from card_os.wire.status import MEANINGS

PAGE = Path(__file__).parents[4] / "docs" / "reference" / "card.md"
CARDS = (IDENTITY_CARD, AREAS_CARD, TRANSIT_SAM, HOSPITAL_SAM, CITIZEN_CARD_SM4, TRANSIT_SAM_SM4, HOSPITAL_SAM_SM4)


def applications(card: CardSpec) -> tuple[ApplicationSpec, ...]:
    return (card.master_file, *card.applications)


ALL = [pytest.param(card, each, id=f"{card.name}-{each.fid:04X}") for card in CARDS for each in applications(card)]


def unique(values: list[object]) -> bool:
    return len(values) == len(set(values))


@pytest.mark.parametrize("card", CARDS, ids=lambda card: card.name)
def test_directories_have_names_of_their_own(card):
    assert unique([each.fid for each in applications(card)])
    assert unique([each.name for each in applications(card)])
    assert card.master_file.fid == MASTER_FILE
    assert all(5 <= len(each.name) <= 16 for each in applications(card))


@pytest.mark.parametrize(("card", "application"), ALL)
def test_files_keys_and_pins_have_identifiers_of_their_own(card, application):
    assert unique([file.fid for file in application.files])
    assert unique([file.sfi for file in application.files])
    assert all(1 <= file.sfi <= 30 for file in application.files)
    assert unique([file.name for file in application.files])
    assert unique(
        [(key.type, key.id) for key in application.keys] + [(KeyType.PIN, pin.id) for pin in application.pins]
    )


@pytest.mark.parametrize(("card", "application"), ALL)
def test_lengths_fit(card, application):
    for file in application.files:
        if isinstance(file.codec, RecordSet):
            assert file.structure is Structure.VARIABLE
            assert file.codec.size <= file.size
        elif file.structure is Structure.VARIABLE:
            assert 1 + file.codec.length <= file.size
        else:
            assert file.codec.length == file.size
        assert (file.count > 0) is (file.structure in (Structure.FIXED, Structure.CYCLIC))
        record = file.size if file.count or isinstance(file.codec, RecordSet) else file.codec.length
        assert file.count * record <= 0xFFFF
        assert file.clause


@pytest.mark.parametrize(("card", "application"), ALL)
def test_every_right_can_be_won_or_is_nobodys(card, application):
    levels = {level for file in application.files for level in (file.access.read, file.access.write)}
    levels |= {application.purse.load} if application.purse else set()
    levels |= {application.container.write} if application.container else set()
    for level in levels - {Level.FREE, Level.NEVER}:
        found = opener(level, application, card)
        assert found is not None, f"nothing reaches {level.name} in {application.fid:04X}"
        home = card.master_file if level is Level.ADMINISTRATION else application
        assert found in (home.pins if isinstance(found, PinSpec) else home.keys)


@pytest.mark.parametrize(("card", "application"), ALL)
def test_a_key_that_opens_something_has_tries(card, application):
    for key in application.keys:
        if key.next_state is not Level.FREE:
            assert key.type is KeyType.EXTERNAL
            assert 1 <= key.tries <= 15
    assert all(1 <= pin.tries <= 15 for pin in application.pins)


@pytest.mark.parametrize(("card", "application"), ALL)
def test_a_purse_has_its_log_and_its_keys(card, application):
    if application.purse is None:
        return
    log = application.file(application.purse.log_sfi)
    assert log.structure is Structure.CYCLIC
    assert log.access.write is Level.NEVER
    assert {KeyType.LOAD, KeyType.PURCHASE, KeyType.TAC_OR_INTERNAL} <= {key.type for key in application.keys}


def test_the_identity_application_has_room_for_each_object_and_key():
    assert len(DATA_OBJECTS) + len(KEY_SLOTS) <= ENTRY_COUNT
    assert all(slot.certificate in DATA_OBJECTS for slot in KEY_SLOTS.values())
    assert unique([item.name for item in DATA_OBJECTS.values()])


def test_status_words_are_two_bytes_with_a_meaning_each():
    assert unique(list(MEANINGS.values()))
    assert all(0x6100 <= word <= 0x9FFF and meaning for word, meaning in MEANINGS.items())


def test_the_reference_page_is_up_to_date():
    assert PAGE.read_text(encoding="utf-8") == page(), f"run: {COMMAND}"


def test_the_page_has_every_file_offset_and_key():
    lines = page().splitlines()
    for application in applications(IDENTITY_CARD):
        for file in application.files:
            assert any(line.startswith(f"| {file.fid:04X} | {file.sfi:02X} | {file.name} ") for line in lines)
    assert "| 85 | entry_line | 1 | unsigned integer, big-endian |" in lines, "0x1A byte 85 (standards.md §4.5)"
    assert "| 3F | 01 | load (load) | 1 | 3DES |  | uncounted |" in lines
    widths = [line.count("|") for line in lines]
    assert all(after in (before, 0) for before, after in pairwise(widths) if before), "rows as wide as their head"
    assert not [line for line in lines if "None" in line]


def test_layouts_have_fields_of_their_own():
    for card in CARDS:
        for application in applications(card):
            for file in application.files:
                fields = (
                    file.codec.fields if isinstance(file.codec, Layout) else [item.field for item in file.codec.fields]
                )
                assert unique([field.name for field in fields])
