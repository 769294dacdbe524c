"""The bytes of an upload that have come so far: a file that only grows; its size is the offset."""

from __future__ import annotations

import asyncio
import hashlib
import os
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

from starlette.requests import ClientDisconnect


class TooLong(Exception):
    """More came than the upload's length."""


@dataclass(frozen=True, slots=True)
class Appended:
    """``whole``: the request's content came to its end; else the client left or somebody else took the upload over."""

    offset: int
    whole: bool


@dataclass(frozen=True, slots=True)
class PartialUploads:
    """The unfinished uploads of one process, ``folder``/<id>. Of two requests for one upload the later is served and the
    earlier stops where it is (draft, "Concurrency")."""

    folder: Path
    _serving: dict[str, object] = field(default_factory=dict)

    def path(self, upload: str) -> Path:
        return self.folder / upload

    def create(self, upload: str) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        self.path(upload).touch(mode=0o600, exist_ok=False)

    def offset(self, upload: str) -> int:
        """Raises ``OSError`` where it is gone."""
        return self.path(upload).stat().st_size

    def remove(self, upload: str) -> None:
        self.path(upload).unlink(missing_ok=True)

    @contextmanager
    def taken_over(self, upload: str) -> Iterator[object]:
        """From now on whoever served ``upload`` before writes no more. Gives what this request is known by."""
        mine = self._serving[upload] = object()
        try:
            yield mine
        finally:
            if self._serving.get(upload) is mine:
                del self._serving[upload]

    async def append(
        self, upload: str, mine: object, content: AsyncIterator[bytes], *, offset: int, length: int
    ) -> Appended:
        """Write what comes from ``offset`` on, durable when this returns. Raises ``TooLong`` before the byte too many."""
        whole = False
        with self.path(upload).open("r+b") as file:
            file.seek(offset)
            try:
                with suppress(ClientDisconnect):
                    async for part in content:
                        if self._serving.get(upload) is not mine:
                            break
                        if file.tell() + len(part) > length:
                            raise TooLong
                        file.write(part)
                    else:
                        whole = True
            finally:
                file.flush()
                await asyncio.to_thread(os.fsync, file.fileno())
            return Appended(file.tell(), whole)

    def digest(self, upload: str) -> bytes:
        """SHA-256 of what is there."""
        with self.path(upload).open("rb") as file:
            return hashlib.file_digest(file, "sha256").digest()
