"""What is still there after a power cut: bytes on disk before their name, the name before anything else says it."""

from __future__ import annotations

import os
from pathlib import Path


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


def _sync(path: Path) -> None:
    """Of a folder, the names in it."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
