"""A card's state in a file: to keep, to serve again, to compare.

Form, version 1 (all numbers big-endian): magic ``CITYCARD`` 8 · version 2 · chip serial 8 · size 4 · SHA-256 32 · content. The
content is the card's memory cell by cell, ``size`` bytes; the hash is over everything else in the file. What the cells mean
is said by their own first four bytes (``card_os.engine.store``). An image holds the card's keys: only its owner may read it.
"""

from __future__ import annotations

import hashlib
import os
import struct
from dataclasses import dataclass, field
from pathlib import Path

from card_os.engine.files import FileSystem
from card_os.engine.store import NoCard, Store
from simulator.softcard.memory import CardMemory

MAGIC = b"CITYCARD"
VERSION = 1
SUFFIX = ".img"
_HEAD = struct.Struct(">8sH8sI")
_HASH_LENGTH = 32
_CONTENT_AT = _HEAD.size + _HASH_LENGTH


class MalformedImage(ValueError):
    """The bytes are no card image, or not as they were written."""


@dataclass(frozen=True, slots=True)
class CardImage:
    """``content`` is every cell, with a torn write as it was left: it is finished or forgotten at the next power-up."""

    chip_serial: bytes
    content: bytes = field(repr=False)

    @classmethod
    def of(cls, memory: CardMemory) -> CardImage:
        """The state of ``memory`` now. Raises ``card_os.engine.store.NoCard``."""
        return cls(_chip_serial(memory.content), memory.content)

    def memory(self) -> CardMemory:
        """A memory of its own in this state."""
        return CardMemory(self.content)

    def encode(self) -> bytes:
        head = _HEAD.pack(MAGIC, VERSION, self.chip_serial, len(self.content))
        return head + _hash(head, self.content) + self.content

    @classmethod
    def decode(cls, raw: bytes) -> CardImage:
        """Raises ``MalformedImage``."""
        if len(raw) < _CONTENT_AT or not raw.startswith(MAGIC):
            raise MalformedImage(f"{len(raw)} bytes that do not begin with {MAGIC!r} and a header: no card image")
        _, version, chip_serial, size = _HEAD.unpack_from(raw)
        if version != VERSION:
            raise MalformedImage(f"image of version {version}; this citycard reads version {VERSION}")
        content = raw[_CONTENT_AT:]
        if len(content) != size:
            raise MalformedImage(f"{len(content)} bytes of content; the header says {size}")
        if raw[_HEAD.size : _CONTENT_AT] != _hash(raw[: _HEAD.size], content):
            raise MalformedImage("the SHA-256 does not fit: the file was changed after it was written")
        if (inside := _chip_serial(content)) != chip_serial:
            raise MalformedImage(f"the header names chip {chip_serial.hex()}, the memory {inside.hex()}")
        _require_file_system(content)
        return cls(chip_serial, content)


def _hash(head: bytes, content: bytes) -> bytes:
    return hashlib.sha256(head + content).digest()


def _chip_serial(content: bytes) -> bytes:
    return Store(CardMemory(content)).chip_serial  # on a copy: opening a store finishes what was torn


def _require_file_system(content: bytes) -> None:
    """The hash says who wrote the cells, not that a card can be made of them. Raises ``MalformedImage``."""
    try:
        FileSystem(Store(CardMemory(content)))
    except (ValueError, IndexError, struct.error) as problem:
        raise MalformedImage("the cells have no readable file system: no card was left like this") from problem


def save(image: CardImage, path: Path) -> None:
    """Whole or not at all; for the owner only (mode 0600)."""
    unfinished = path.with_name(path.name + ".part")
    with os.fdopen(os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:
        file.write(image.encode())
        file.flush()
        os.fsync(file.fileno())
    unfinished.replace(path)


def load(path: Path) -> CardImage:
    """Raises ``MalformedImage`` naming the file, ``OSError``."""
    try:
        return CardImage.decode(path.read_bytes())
    except (MalformedImage, NoCard) as problem:
        raise MalformedImage(f"{path}: {problem}") from problem
