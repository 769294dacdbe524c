"""Where clearing keeps what is too much for rows: raw uploads, what a window was frozen on, cleared records."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from enum import StrEnum, unique
from pathlib import Path
from typing import Annotated

from fastapi import Depends

from backoffice.web import ServiceDep
from clearing.durable import make_folder, sweep, unfinished_folder
from clearing.intake.store import RawStore


@unique
class Scratch(StrEnum):
    """What is thrown away in the end; the value begins the folder's name."""

    PREVIEW = "preview-"
    AUDIT = "audit-"
    FORM = "form-"


@dataclass(frozen=True, slots=True)
class Files:
    """``raw``: what came, by its hash. ``frozen``: what windows were computed from, by its hash. ``results``: cleared records
    and the cards' counters. ``stages``: of runs that have not ended, by the manifest's digest; may be thrown away."""

    folder: Path

    @property
    def raw(self) -> RawStore:
        return RawStore(self.folder / "raw")

    @property
    def frozen(self) -> RawStore:
        return RawStore(self.folder / "frozen")

    @property
    def results(self) -> Path:
        return self.folder / "results"

    def stages(self, digest: bytes) -> Path:
        return self.folder / "stages" / digest.hex()

    @contextmanager
    def scratch(self, what: Scratch) -> Iterator[Files]:
        """A place like this one, gone at the end."""
        make_folder(self.folder)
        with unfinished_folder(self.folder, what) as folder:
            yield Files(folder)

    def sweep(self) -> list[Path]:
        """Remove what killed processes were writing, and nothing that a living one is; which files and folders these were."""
        scratches = [path for what in Scratch for path in sweep(self.folder, what)]
        return [*scratches, *self.raw.sweep(), *self.frozen.sweep()]


async def files(here: ServiceDep) -> Files:
    """FastAPI dependency: below the service's data folder."""
    return Files(here.settings.data_folder / "clearing")


FilesDep = Annotated[Files, Depends(files)]
