"""What came from outside, as it came: files named by the SHA-256 of their content, kept once and durable."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import BinaryIO, Self

from clearing.durable import appear, make_folder, sweep, unfinished_file

_INCOMING = ".incoming-"


@dataclass(frozen=True, slots=True)
class Kept:
    """``size`` in bytes."""

    sha256: bytes
    size: int
    path: Path


@dataclass(frozen=True, slots=True)
class RawStore:
    """``folder``/ab/<64 hex digits>. Nothing in it is ever changed; equal content is there once."""

    folder: Path

    def begin(self) -> Incoming:
        """A file that is not there until it is kept."""
        make_folder(self.folder)
        return Incoming(self, unfinished_file(self.folder, _INCOMING))

    def keep(self, content: bytes) -> Kept:
        with self.begin() as incoming:
            incoming.write(content)
            return incoming.keep()

    def read(self, sha256: bytes) -> bytes:
        """Raises ``OSError`` where it is not there, ``ValueError`` where it is not what its name says."""
        content = self.path(sha256).read_bytes()
        if hashlib.sha256(content).digest() != sha256:
            raise ValueError(f"{self.path(sha256)} is not what its name says")
        return content

    def sweep(self) -> list[Path]:
        """Remove what a killed process had not kept; which files these were."""
        return sweep(self.folder, _INCOMING)

    def path(self, sha256: bytes) -> Path:
        name = sha256.hex()
        return self.folder / name[:2] / name


@dataclass(slots=True)
class Incoming:
    """Leaving the ``with`` without ``keep`` leaves nothing."""

    store: RawStore
    _file: BinaryIO
    size: int = 0
    _hash: hashlib._Hash = field(default_factory=hashlib.sha256)

    @property
    def path(self) -> Path:
        return Path(self._file.name)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._file.close()
        self.path.unlink(missing_ok=True)

    def write(self, content: bytes | memoryview) -> None:
        self._file.write(content)
        self._hash.update(content)
        self.size += len(content)

    def keep(self) -> Kept:
        """Durable when this returns: file and name are on disk."""
        digest = self._hash.digest()
        path = self.store.path(digest)
        self._file.flush()
        appear(self.path, path)
        return Kept(digest, self.size, path)
