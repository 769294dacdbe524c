"""What a killed process was writing is swept, what a living one writes never is."""

from __future__ import annotations

import fcntl
import os
import shutil
from pathlib import Path
from threading import Event, Thread

import pytest

from clearing.durable import sweep, unfinished_file, unfinished_folder
from clearing.files import Files, Scratch
from clearing.intake.store import RawStore


def test_what_nobody_holds_is_swept_and_nothing_beside_it(tmp_path: Path) -> None:
    (tmp_path / ".incoming-left").write_bytes(b"half")
    (tmp_path / "preview-left" / "frozen").mkdir(parents=True)
    (tmp_path / "kept").write_bytes(b"whole")
    assert sweep(tmp_path, ".incoming-") == [tmp_path / ".incoming-left"]
    assert sweep(tmp_path, "preview-") == [tmp_path / "preview-left"]
    assert list(tmp_path.iterdir()) == [tmp_path / "kept"]


def test_a_folder_that_is_not_there_yet_has_no_leftovers(tmp_path: Path) -> None:
    assert Files(tmp_path / "clearing").sweep() == []


def test_every_kind_is_swept(tmp_path: Path) -> None:
    files = Files(tmp_path)
    left = [tmp_path / f"{what}-left" for what in ("preview", "audit", "form")]
    left += [store.folder / ".incoming-left" for store in (files.raw, files.frozen)]
    for path in left:
        path.mkdir(parents=True)
    assert sorted(files.sweep()) == sorted(left)


def test_what_is_held_stays_and_is_gone_at_its_own_end(tmp_path: Path) -> None:
    with unfinished_file(tmp_path, "file-") as file, unfinished_folder(tmp_path, "folder-") as folder:
        (folder / "part").write_bytes(b"something")
        assert [*sweep(tmp_path, "file-"), *sweep(tmp_path, "folder-")] == []
        assert Path(file.name).exists()
    assert list(tmp_path.glob("folder-*")) == []


def test_a_folder_that_does_not_go_is_left_for_the_next_sweep(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Something was written into it while it was being removed."""
    making = unfinished_folder(tmp_path, "new-")
    with monkeypatch.context() as broken:
        broken.setattr(shutil, "rmtree", os.rmdir)
        folder = making.__enter__()
        (folder / "part").write_bytes(b"late")
        with pytest.raises(OSError, match="not empty"):
            making.__exit__(None, None, None)
    assert sweep(tmp_path, "new-") == [folder]


def test_what_has_its_name_by_now_stays(tmp_path: Path) -> None:
    store = RawStore(tmp_path)
    with store.begin() as incoming:
        incoming.write(b"whole")
        kept = incoming.keep()
        assert store.sweep() == []
    assert store.read(kept.sha256) == b"whole"


@pytest.mark.parametrize("folder", [False, True], ids=["file", "folder"])
def test_a_sweep_in_its_first_moment_only_makes_it_begin_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *, folder: bool
) -> None:
    """Between its making and its lock."""
    lock, swept = fcntl.flock, []

    def swept_before(descriptor: int, how: int) -> None:
        if how == fcntl.LOCK_EX and not swept:
            swept.extend(sweep(tmp_path, "new-"))
        lock(descriptor, how)

    monkeypatch.setattr(fcntl, "flock", swept_before)
    if folder:
        with unfinished_folder(tmp_path, "new-") as made:
            assert [made] == list(tmp_path.iterdir())
    else:
        with unfinished_file(tmp_path, "new-") as file:
            assert [Path(file.name)] == list(tmp_path.iterdir())
    assert len(swept) == 1


def test_whoever_writes_while_others_sweep_loses_nothing(tmp_path: Path) -> None:
    files, done = Files(tmp_path), Event()
    faults: list[Exception] = []

    def sweeping() -> None:
        try:
            while not done.is_set():
                files.sweep()
        except Exception as error:
            faults.append(error)

    sweepers = [Thread(target=sweeping) for _ in range(2)]
    for sweeper in sweepers:
        sweeper.start()
    try:
        for number in range(100):
            kept = files.raw.keep(b"batch %d" % number)
            assert files.raw.read(kept.sha256) == b"batch %d" % number
            with files.scratch(Scratch.PREVIEW) as scratch:
                part = scratch.frozen.keep(b"part")
                assert scratch.frozen.read(part.sha256) == b"part"
    finally:
        done.set()
        for sweeper in sweepers:
            sweeper.join()
    assert faults == []
