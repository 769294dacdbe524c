"""Where clearing keeps what is too much for rows: raw uploads, what a window was frozen on, cleared records."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from fastapi import Depends

from backoffice.web import ServiceDep
from clearing.intake.store import RawStore


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


async def files(here: ServiceDep) -> Files:
    """FastAPI dependency: below the service's data folder."""
    return Files(here.settings.data_folder / "clearing")


FilesDep = Annotated[Files, Depends(files)]
