"""What came is kept whole under its own hash, or not at all."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from clearing.intake.store import RawStore


def test_content_lies_under_its_hash_and_is_there_once(tmp_path: Path) -> None:
    store = RawStore(tmp_path / "raw")
    with store.begin() as incoming:
        incoming.write(b"one ")
        incoming.write(memoryview(b"and two"))
        kept = incoming.keep()
    again = store.keep(b"one and two")
    assert kept == again
    assert kept.sha256 == hashlib.sha256(b"one and two").digest()
    assert (kept.size, store.path(kept.sha256).read_bytes()) == (11, b"one and two")
    assert [path for path in store.folder.rglob("*") if path.is_file()] == [kept.path]


def test_an_upload_that_breaks_off_leaves_nothing(tmp_path: Path) -> None:
    store = RawStore(tmp_path)

    def broken() -> None:
        with store.begin() as incoming:
            incoming.write(b"half of it")
            raise ConnectionError

    with pytest.raises(ConnectionError):
        broken()
    assert list(store.folder.iterdir()) == []


def test_what_was_changed_on_disk_is_not_read(tmp_path: Path) -> None:
    store = RawStore(tmp_path)
    kept = store.keep(b"as it came")
    assert store.read(kept.sha256) == b"as it came"
    kept.path.write_bytes(b"as it came?")
    with pytest.raises(ValueError, match="not what its name says"):
        store.read(kept.sha256)
