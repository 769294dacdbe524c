"""After a power cut a file is there whole or not at all, whatever was on disk by then."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from clearing.durable import appear, make_folder
from clearing.intake.store import RawStore


def test_a_file_in_folders_that_were_not_there(tmp_path: Path, disk: Any) -> None:
    unfinished = tmp_path / ".unfinished"
    unfinished.write_bytes(b"whole")
    appear(unfinished, tmp_path / "a" / "b" / "c")
    assert (tmp_path / "a" / "b" / "c").read_bytes() == b"whole"
    disk.assert_there(tmp_path)


def test_a_folder_that_is_there_is_left_alone(tmp_path: Path, disk: Any) -> None:
    make_folder(tmp_path)
    assert disk.synced == []


def test_what_came(tmp_path: Path, disk: Any) -> None:
    RawStore(tmp_path / "clearing" / "raw").keep(b"a batch")
    disk.assert_there(tmp_path)
