"""Objects and private keys of the identity application in the pages of its container.

Container: entries (tag3 ‖ length2 ‖ 14 page numbers, 0 = none), then pages of 256 bytes, numbered from 1. A new content goes
into pages that no entry names; one commit of the entry then puts it in the old one's place, so power lost at any byte leaves
the old content or the new one. Pages let go are erased afterwards: a replaced private key does not stay.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass

from card_os.engine.files import ElementaryFile
from card_os.engine.refusal import Refusal
from card_os.engine.store import Store
from card_os.profile.identity import ENTRY_COUNT, PAGE, PAGES_OF_AN_ENTRY

_ENTRY = struct.Struct(f">3sH{PAGES_OF_AN_ENTRY}s")
_FREE = bytes(3)
_ERASED = bytes(PAGE)


def container_size(pages: int) -> int:
    """Bytes of a container with that many pages (1 to 255)."""
    return ENTRY_COUNT * _ENTRY.size + pages * PAGE


@dataclass(frozen=True, slots=True)
class _Entry:
    place: int
    tag: bytes
    length: int
    pages: bytes


class ObjectStore:
    """``file`` is the container; its ``count`` the number of pages."""

    def __init__(self, store: Store, file: ElementaryFile) -> None:
        self._store = store
        self._entries_at = file.offset
        self._pages_at = file.offset + ENTRY_COUNT * _ENTRY.size - PAGE
        self._numbers = range(1, file.count + 1)

    def read(self, tag: int) -> bytes | None:
        """The content, None where there is none."""
        entry = self._find(tag.to_bytes(3, "big"))
        if entry is None or not entry.length:
            return None
        content = b"".join([self._store.read(self._page(number), PAGE) for number in entry.pages])
        return content[: entry.length]

    def write(self, tag: int, content: bytes) -> None:
        """Replace or (empty) remove. Refuses with 6A84 where there is no room."""
        name = tag.to_bytes(3, "big")
        old = self._find(name) or self._find(_FREE)
        count = -(-len(content) // PAGE)
        free = self._unnamed()
        if old is None or count > min(len(free), PAGES_OF_AN_ENTRY):
            raise Refusal(0x6A84)
        pages = bytes(free[:count])
        for index, number in enumerate(pages):
            self._store.write_unreached(self._page(number), content[index * PAGE : (index + 1) * PAGE])
        entry = _ENTRY.pack(name if content else _FREE, len(content), pages)
        self._store.commit([(self._entries_at + old.place * _ENTRY.size, entry)])
        for number in old.pages:
            self._store.write_unreached(self._page(number), _ERASED)

    def _page(self, number: int) -> int:
        return self._pages_at + number * PAGE

    def _entries(self) -> list[_Entry]:
        raw = self._store.read(self._entries_at, ENTRY_COUNT * _ENTRY.size)
        return [
            _Entry(place, tag, length, pages.rstrip(b"\x00"))
            for place, (tag, length, pages) in enumerate(_ENTRY.iter_unpack(raw))
        ]

    def _find(self, tag: bytes) -> _Entry | None:
        return next((entry for entry in self._entries() if entry.tag == tag), None)

    def _unnamed(self) -> list[int]:
        named = frozenset(number for entry in self._entries() for number in entry.pages)
        return [number for number in self._numbers if number not in named]
