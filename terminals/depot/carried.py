"""A batch on its way to clearing in a folder: as its device sealed it, in a file named by its content hash."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from rulebook.batch import MalformedBatch, unseal_rows
from terminals.uplink.durable import write_whole

BATCH, RECEIPT = ".batch", ".receipt"
LARGEST_BATCH = 16 * 1024 * 1024
"""Bytes; ours. A device's batch of 1,000 records has half a million; what is larger on a stick is nobody's, and clearing would
refuse the whole request that it goes in."""


@dataclass(frozen=True, slots=True)
class Carried:
    """``path`` holds what is never changed: the device's signature is in it, and nobody on the way needs a right of their
    own."""

    device: str
    number: int
    content_hash: bytes
    path: Path
    size: int

    @property
    def name(self) -> str:
        """Of its file, without the suffix."""
        return self.content_hash.hex()

    @property
    def raw(self) -> bytes:
        return self.path.read_bytes()

    @classmethod
    def of(cls, path: Path) -> Carried:
        """Raises ``MalformedBatch``; the signature is clearing's to check."""
        raw = read_small(path, LARGEST_BATCH)
        found = unseal_rows(raw)
        return cls(found.header.device, found.header.number, found.content_hash, path, len(raw))


def carried(folder: Path) -> Iterator[Carried]:
    """Those in ``folder`` that are whole, by the names of their files; a torn one was never said to be safe and comes again."""
    for path in sorted(folder.glob(f"*{BATCH}")):
        try:
            one = Carried.of(path)
        except MalformedBatch:
            continue
        if one.name + BATCH == path.name:
            yield one


def read_small(path: Path, most: int) -> bytes:
    """What is in a file, as far as ``most`` bytes; nothing where there is no file. A stick may hold anything."""
    if not path.is_file():
        return b""
    with path.open("rb") as file:
        return file.read(most)


def leave(path: Path, content: bytes) -> bool:
    """Have ``content`` there, durable; whether nothing was there. What is there and differs was torn on the way."""
    try:
        if path.read_bytes() != content:
            write_whole(path, content)
        return False
    except FileNotFoundError:
        write_whole(path, content)
        return True
