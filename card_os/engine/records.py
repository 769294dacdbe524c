"""Reading and changing the records of fixed, cyclic and variable files. Changes are answered, not made: the caller commits."""

from __future__ import annotations

from card_os.engine.files import ElementaryFile
from card_os.engine.refusal import Refusal
from card_os.engine.store import Change, Store
from card_os.profile.files import Structure

MAXIMUM = 255


def read_record(store: Store, file: ElementaryFile, number: int) -> bytes:
    """Record ``number`` from 1; in a cyclic file 1 is the newest. Refuses with 6A83."""
    offset, length = _locate(store, file, number)
    return store.read(offset, length)


def number_of_tag(store: Store, file: ElementaryFile, tag: int) -> int:
    """The number of the first record whose first byte is ``tag``. Refuses with 6A83."""
    number = 1
    while read_record(store, file, number)[:1] != bytes((tag,)):
        number += 1
    return number


def find_tag(store: Store, file: ElementaryFile, tag: int) -> bytes:
    """READ RECORD by identifier. Refuses with 6A83."""
    return read_record(store, file, number_of_tag(store, file, tag))


def number_of(store: Store, file: ElementaryFile, identifier: int) -> int:
    """The number of the first record that begins with ``identifier``; ``identifier`` itself where there is none."""
    try:
        return number_of_tag(store, file, identifier)
    except Refusal:
        return identifier


def update(store: Store, file: ElementaryFile, number: int, data: bytes) -> list[Change]:
    """Replace a record by one of the same length. Refuses with 6A83, 6700."""
    offset, length = _locate(store, file, number)
    if len(data) != length:
        raise Refusal(0x6700)
    return [(offset, data)]


def append(store: Store, file: ElementaryFile, data: bytes) -> list[Change]:
    """Add a record; a full cyclic file loses its oldest. Refuses with 6A84, 6700."""
    if file.structure is Structure.VARIABLE:
        return _append_variable(store, file, data)
    if len(data) != file.record_length:
        raise Refusal(0x6700)
    following, used = store.read(file.offset, 2)
    if file.structure is Structure.FIXED and used == file.count:
        raise Refusal(0x6A84)
    pointers = bytes(((following + 1) % file.count, min(used + 1, file.count)))
    return [(file.offset + 2 + following * file.record_length, data), (file.offset, pointers)]


def _append_variable(store: Store, file: ElementaryFile, data: bytes) -> list[Change]:
    used = int.from_bytes(store.read(file.offset, 2), "big")
    if not 1 <= len(data) <= MAXIMUM:
        raise Refusal(0x6700)
    if 2 + used + 1 + len(data) > file.size:
        raise Refusal(0x6A84)
    record = bytes((len(data),)) + data
    return [(file.offset + 2 + used, record), (file.offset, (used + len(record)).to_bytes(2, "big"))]


def _locate(store: Store, file: ElementaryFile, number: int) -> tuple[int, int]:
    if number < 1:
        raise Refusal(0x6A83)
    if file.structure is Structure.VARIABLE:
        return _locate_variable(store, file, number)
    following, used = store.read(file.offset, 2)
    if number > used:
        raise Refusal(0x6A83)
    index = (following - number) % file.count if file.structure is Structure.CYCLIC else number - 1
    return file.offset + 2 + index * file.record_length, file.record_length


def _locate_variable(store: Store, file: ElementaryFile, number: int) -> tuple[int, int]:
    used = int.from_bytes(store.read(file.offset, 2), "big")
    at, end = file.offset + 2, file.offset + 2 + used
    for _ in range(number - 1):
        if at >= end:
            break
        at += 1 + store.read(at, 1)[0]
    if at >= end:
        raise Refusal(0x6A83)
    return at + 1, store.read(at, 1)[0]
