"""From what a window was frozen on to its result: a pure function of the manifest, whose files may be made again."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from hashlib import file_digest
from pathlib import Path

from clearing.day.duckdb_engine import DuckDbEngine
from clearing.day.engine import Engine
from clearing.day.kept import KeptHistory, KeptRegister, by_bucket
from clearing.day.model import DayInputs, Stretch
from clearing.day.run import WORKERS, Workshop
from clearing.files import Files
from clearing.intake.store import RawStore
from clearing.participants.closing import Agreed
from clearing.participants.rules import City
from clearing.participants.service import laid_out
from clearing.settlement.encoding import digest
from clearing.settlement.frozen import Frozen, FrozenPartDiffers, Piece, read
from clearing.settlement.model import WindowResult
from clearing.settlement.rules import Opening, WindowInputs, settle
from hardware.vault.vault import Vault
from rulebook.tariff import Tariff


@dataclass(frozen=True, slots=True)
class Computer:
    """``raw``: a record that an earlier window paid, by device and journal sequence, as it came. ``progress`` is told what is
    being done, how much of it, and of how much. ``engine`` is made for a folder that may hold what does not fit in memory."""

    files: Files
    vault: Vault
    raw: Callable[[str, int], bytes]
    progress: Callable[[str, int, int], None] = lambda _what, _done, _total: None
    engine: Callable[[Path], Engine] = lambda stages: DuckDbEngine(spill=stages / "spill")

    def result(self, manifest: bytes) -> WindowResult:
        """Seconds for a big city's day. A run that was killed goes on where it was. Raises ``FrozenPartDiffers``."""
        frozen = read(manifest, self.files.frozen)
        return self._computed(frozen, self.files, self.files.stages(digest(manifest)), self.files.frozen)

    def again(self, manifest: bytes, scratch: Files) -> WindowResult:
        """The same, beside what is there, with nothing of it but what the manifest names. Raises ``FrozenPartDiffers``."""
        frozen = read(manifest, self.files.frozen)
        return self._computed(frozen, scratch, scratch.folder / "stages", self.files.frozen)

    def preview(self, frozen: Frozen, scratch: Files) -> WindowResult:
        """What it would be, leaving nothing but in ``scratch``, where the cards of ``frozen`` are."""
        return self._computed(frozen, scratch, scratch.folder / "stages", scratch.frozen)

    def forget(self, manifest: bytes) -> None:
        """What runs of this manifest made on their way, once nobody needs it any more."""
        shutil.rmtree(self.files.stages(digest(manifest)), ignore_errors=True)

    def _computed(self, frozen: Frozen, to: Files, stages: Path, cards: RawStore) -> WindowResult:
        self._refuse_changed(frozen, cards)
        workshop = Workshop(to.results, stages, self.engine(stages), self.vault, self.progress)
        return settle(_window_inputs(frozen), workshop.clear(self._day_inputs(frozen, cards)))

    def _refuse_changed(self, frozen: Frozen, cards: RawStore) -> None:
        """Raises ``FrozenPartDiffers`` where a file that the day is read from is no longer the one that was frozen."""
        raw, results = self.files.raw, self.files.results
        wanted = {raw.path(piece.stored_as): piece.stored_as for piece in (*frozen.records, *frozen.waiting)}
        wanted |= {cards.path(sha256): sha256 for sha256 in frozen.cards.values()}
        wanted |= {results / file.name: bytes.fromhex(file.sha256) for file in (*frozen.counters, *frozen.brought)}
        with ThreadPoolExecutor(WORKERS) as pool:
            for done, fault in enumerate(pool.map(_fault, wanted, wanted.values()), 1):
                if fault:
                    raise FrozenPartDiffers(fault)
                self.progress("checked", done, len(wanted))

    def _day_inputs(self, frozen: Frozen, cards: RawStore) -> DayInputs:
        results = self.files.results
        return DayInputs(
            number=frozen.number,
            business_day=frozen.business_day,
            policy=City.model_validate(frozen.city).rules(),
            journals=self._stretches(frozen.records),
            waiting=self._stretches(frozen.waiting),
            covered=frozen.covered,
            devices=frozen.devices,
            sams=frozen.sams,
            deny=frozen.deny,
            tariffs=_tariffs(frozen),
            register=KeptRegister(
                {bucket: cards.path(sha256) for bucket, sha256 in frozen.cards.items()},
                by_bucket(results, frozen.counters),
            ),
            shares_rides=bool(_agreed(frozen).agreements.agreements),
            history=KeptHistory(
                results,
                [file.name for file in frozen.cleared],
                self.raw,
                KeptRegister({}, by_bucket(results, frozen.brought)).counters,
            ),
            loads=frozen.loads,
            held=frozen.held,
            decided=frozen.decided,
        )

    def _stretches(self, pieces: Iterable[Piece]) -> tuple[Stretch, ...]:
        path = self.files.raw.path
        return tuple(Stretch(p.device, p.first, p.count, path(p.stored_as), p.offset) for p in pieces)


def _fault(path: Path, sha256: bytes) -> str:
    try:
        with path.open("rb") as file:
            return "" if file_digest(file, "sha256").digest() == sha256 else f"{path} was changed"
    except OSError as error:
        return str(error)


def _window_inputs(frozen: Frozen) -> WindowInputs:
    city = City.model_validate(frozen.city)
    return WindowInputs(
        number=frozen.number,
        business_day=frozen.business_day,
        online=frozen.online,
        agreed=_agreed(frozen),
        tariffs=_tariffs(frozen),
        parties=city.parties(),
        keepers=city.keepers,
        opening=Opening(frozen.links, frozen.balances, frozen.counters, frozen.running),
    )


def _agreed(frozen: Frozen) -> Agreed:
    return Agreed.of(frozen.documents, City.model_validate(frozen.city))


def _tariffs(frozen: Frozen) -> dict[int, Tariff]:
    return {version: laid_out(document) for version, document in frozen.tariffs.items()}
