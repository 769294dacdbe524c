"""The identity application's tables fit one another and the card."""

from __future__ import annotations

from card_os.engine.identity_store import container_size
from card_os.engine.store import HEAP
from card_os.profile.identity import (
    DATA_OBJECTS,
    DISCOVERY,
    ENTRY_COUNT,
    IDENTITY,
    IDENTITY_CARD,
    KEY_SLOTS,
    MEMORY_SIZE,
    PAGE,
    PAGES,
    PAGES_OF_AN_ENTRY,
    PROPERTIES,
    KeyAlgorithm,
    KeySlot,
    PinPolicy,
)
from card_os.wire.identity import IDENTITY_AID
from card_os.wire.tlv import find
from simulator.softcard.demonstration import identity_memory

CITIZEN_CARD_BYTES = 6 * 1024


def pages(length: int) -> int:
    return -(-length // PAGE)


def test_every_object_at_its_longest_fits_while_one_is_replaced():
    longest = [pages(item.size) for item in DATA_OBJECTS.values()]
    keys = len(KEY_SLOTS) * pages(1 + max(row.private_length for row in KeyAlgorithm))
    assert max(longest) <= PAGES_OF_AN_ENTRY
    assert sum(longest) + keys + max(longest) <= PAGES
    assert len(DATA_OBJECTS) + len(KEY_SLOTS) <= ENTRY_COUNT


def test_the_card_fits_its_memory():
    assert HEAP + CITIZEN_CARD_BYTES + container_size(PAGES) <= MEMORY_SIZE
    assert identity_memory(1).size == MEMORY_SIZE


def test_every_slot_has_its_certificate_and_policy():
    assert {slot.certificate for slot in KeySlot} <= DATA_OBJECTS.keys()
    assert {slot.reference: slot.pin for slot in KeySlot} == {
        0x9A: PinPolicy.ONCE,
        0x9C: PinPolicy.ALWAYS,
        0x9D: PinPolicy.ONCE,
        0x9E: PinPolicy.NEVER,
    }
    assert len(KEY_SLOTS) == len(KeySlot)


def test_every_row_says_where_it_is_from():
    for row in (*DATA_OBJECTS.values(), *KeyAlgorithm):
        assert row.clause


def test_the_card_names_itself_by_one_aid():
    assert find(DISCOVERY, 0x7E, 0x4F) == IDENTITY_AID == IDENTITY.name
    assert find(PROPERTIES, 0x61, 0x4F) == IDENTITY_AID[5:]


def test_names_on_the_card_are_unique():
    fids = [application.fid for application in IDENTITY_CARD.applications]
    assert len(set(fids)) == len(fids)
    assert len({(key.type, key.id) for key in IDENTITY.keys}) == len(IDENTITY.keys)
