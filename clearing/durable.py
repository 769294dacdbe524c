"""What is still there after a power cut: bytes on disk before their name, the name before anything else says it. And what is
not: whatever somebody was making is locked (flock) as long as its process lives, so what nobody holds is a dead one's."""

from __future__ import annotations

import fcntl
import os
import shutil
import uuid
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import BinaryIO


def make_folder(folder: Path) -> None:
    """With those above it that are missing, on disk when this returns."""
    if not folder.is_dir():
        make_folder(folder.parent)
        folder.mkdir(exist_ok=True)
        _sync(folder.parent)


def appear(unfinished: Path, path: Path) -> None:
    """``unfinished`` as ``path``, whole or not at all; on disk when this returns."""
    make_folder(path.parent)
    _sync(unfinished)
    os.replace(unfinished, path)
    _sync(path.parent)


def unfinished_file(folder: Path, prefix: str) -> BinaryIO:
    """A new file of a name of its own, which no ``sweep`` takes while it is open; ``name`` is its path."""
    while True:
        path = _new_name(folder, prefix)
        file = path.open("xb")
        if _held(path, file.fileno()):
            return file
        file.close()


@contextmanager
def unfinished_folder(folder: Path, prefix: str) -> Iterator[Path]:
    """A new folder of a name of its own, which no ``sweep`` takes meanwhile; gone with all that is in it at the end."""
    path, descriptor = _locked_folder(folder, prefix)
    with ExitStack() as at_the_end:
        at_the_end.callback(os.close, descriptor)  # also where something in it does not go: then a sweep may take it
        at_the_end.callback(shutil.rmtree, path)
        yield path


def sweep(folder: Path, prefix: str) -> list[Path]:
    """Remove the files and folders of that prefix whose process died while it was making them; which these were."""
    return [path for path in sorted(folder.glob(f"{prefix}*")) if _removed(path)]


def _locked_folder(folder: Path, prefix: str) -> tuple[Path, int]:
    while True:
        path = _new_name(folder, prefix)
        path.mkdir(mode=0o700)
        with suppress(FileNotFoundError):
            descriptor = os.open(path, os.O_RDONLY)
            if _held(path, descriptor):
                return path, descriptor
            os.close(descriptor)


def _new_name(folder: Path, prefix: str) -> Path:
    return folder / f"{prefix}{uuid.uuid4().hex}"


def _held(path: Path, descriptor: int) -> bool:
    """Locked from now on until it is closed. False where a sweep was faster: it was not locked in its first moment."""
    fcntl.flock(descriptor, fcntl.LOCK_EX)
    return _is(path, descriptor)


def _removed(path: Path) -> bool:
    try:
        descriptor = os.open(path, os.O_RDONLY)
    except FileNotFoundError:
        return False
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        if not _is(path, descriptor):
            return False  # it has another name, or is gone, since it was opened here
        shutil.rmtree(path) if path.is_dir() else path.unlink()
    except BlockingIOError:
        return False
    finally:
        os.close(descriptor)
    return True


def _is(path: Path, descriptor: int) -> bool:
    try:
        return os.path.samestat(os.stat(path), os.fstat(descriptor))
    except FileNotFoundError:
        return False


def _sync(path: Path) -> None:
    """Of a folder, the names in it."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
