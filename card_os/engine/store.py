"""Atomic changes over cells that can lose power at any byte.

Redo journal: entries and their CRC are written, then the commit byte; then the cells at home; then the commit byte is
cleared. Power lost before the commit byte leaves the old state; after it, ``Store`` repeats the entries at power-up. Repeating
is harmless, so power may be lost again while doing so.

Layout: 0 magic 4 · 4 chip serial 8 · 12 end of heap 4 · 32 journal (commit 1 · length 2 · CRC-32 4 · entries) · 2048 heap.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterable, Sequence
from typing import TypeAlias

from card_os.engine.memory import Memory

MAGIC = b"CCM1"
HEAP = 2048
_HEAP_END_AT = 12
_JOURNAL = 32
_COMMITTED = b"\xa5"
_CLEAR = b"\x00"
_HEAD = struct.Struct(">HI")
_ENTRY = struct.Struct(">HH")
_ENTRIES_AT = _JOURNAL + 1 + _HEAD.size
_ROOM = HEAP - _ENTRIES_AT

Change: TypeAlias = tuple[int, bytes]


def fits(changes: Iterable[Change], *, spare: int) -> bool:
    """Whether one commit takes ``changes`` and ``spare`` bytes more."""
    return sum(_ENTRY.size + len(data) for _, data in changes) + spare <= _ROOM


class NoCard(ValueError):
    """The memory holds no card of this layout."""


class Store:
    """Reads see committed state only."""

    def __init__(self, memory: Memory) -> None:
        self._memory = memory
        self.read = memory.read
        if memory.read(0, len(MAGIC)) != MAGIC:
            raise NoCard(f"memory does not begin with {MAGIC!r}; make it a card with blank_card or blank_sam")
        self._recover()

    @staticmethod
    def format(memory: Memory, chip_serial: bytes) -> Store:
        """An empty card; what was in ``memory`` is lost."""
        if len(chip_serial) != 8:
            raise ValueError(f"chip serial has {len(chip_serial)} bytes; it must have 8")
        memory.write(_JOURNAL, _CLEAR)
        memory.write(0, MAGIC + chip_serial + HEAP.to_bytes(4, "big"))
        return Store(memory)

    @property
    def chip_serial(self) -> bytes:
        return self.read(4, 8)

    @property
    def heap_end(self) -> int:
        return int.from_bytes(self.read(_HEAP_END_AT, 4), "big")

    def room_left(self) -> int:
        return self._memory.size - self.heap_end

    def append(self, body: bytes) -> int:
        """Add ``body`` at the end of the heap; its offset. Atomic, as nothing reaches it before the end moves."""
        offset = self.heap_end
        self._memory.write(offset, body)
        self.commit([(_HEAP_END_AT, (offset + len(body)).to_bytes(4, "big"))])
        return offset

    def write_unreached(self, offset: int, data: bytes) -> None:
        """Write cells that no committed state names, before a commit that will. Not atomic, and need not be."""
        self._memory.write(offset, data)

    def commit(self, changes: Sequence[Change]) -> None:
        """All of ``changes`` or none of them."""
        entries = b"".join([_ENTRY.pack(offset, len(data)) + data for offset, data in changes])
        assert len(entries) <= _ROOM, "a command changes more than the journal holds"
        write = self._memory.write
        write(_JOURNAL + 1, _HEAD.pack(len(entries), zlib.crc32(entries)) + entries)
        write(_JOURNAL, _COMMITTED)
        for offset, data in changes:
            write(offset, data)
        write(_JOURNAL, _CLEAR)

    def _recover(self) -> None:
        if self.read(_JOURNAL, 1) != _COMMITTED:
            return
        length, crc = _HEAD.unpack(self.read(_JOURNAL + 1, _HEAD.size))
        entries = self.read(_ENTRIES_AT, min(length, _ROOM))
        if zlib.crc32(entries) == crc:
            self._repeat(entries)
        self._memory.write(_JOURNAL, _CLEAR)

    def _repeat(self, entries: bytes) -> None:
        at = 0
        while at < len(entries):
            offset, length = _ENTRY.unpack_from(entries, at)
            at += _ENTRY.size
            self._memory.write(offset, entries[at : at + length])
            at += length
