"""A restatement computed day by day. Each day is a file that appears whole or not at all, named by what it followed from: a run
that was killed goes on where it was, and two at once make the same bytes."""

from __future__ import annotations

import hashlib
import json
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq

from clearing.day import parquet
from clearing.day.model import Stretch
from clearing.day.parquet import Written
from clearing.day.posting import transaction_of
from clearing.durable import appear
from clearing.fare_checks.rules import NotPriceable, reprice
from clearing.restatement.differences import (
    Compared,
    Corrections,
    Differences,
    Fares,
    compared,
    covered_sets,
    differences,
)
from clearing.restatement.entries import Bookkeeping
from clearing.restatement.rides import ClearedFile, Rides, WindowFacts, settled_rides
from rulebook.record import Record
from rulebook.tariff import Language, Tariff

EXAMPLES = 10
"""Rides whose trace a dry run shows: those whose fares differ most. Ours."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RestatementInputs:
    """``files``: everything the windows cleared of the period. ``journals``: raw records, by device, in order. ``windows``:
    what each of the files' windows was frozen on. ``bookkeeping``: how entries are named and who settles by what."""

    corrections: Corrections
    files: tuple[ClearedFile, ...]
    journals: Mapping[str, Sequence[Stretch]]
    windows: Mapping[int, WindowFacts]
    tariffs: Mapping[int, Tariff]
    bookkeeping: Bookkeeping

    def days(self) -> list[date]:
        return sorted({file.business_day for file in self.files})

    def of_day(self, day: date) -> list[ClearedFile]:
        return sorted((file for file in self.files if file.business_day == day), key=lambda file: str(file.path))


@dataclass(frozen=True, slots=True)
class Example:
    """One ride before and after: fen the holder pays, and the right fare's trace."""

    transaction: str
    record: str
    business_day: str
    operator: str
    line: str
    charged: int
    before: int
    after: int
    impact: int
    zh: tuple[str, ...]
    en: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class DayRestated:
    """``entries``: the file of ``entries.ENTRY``. ``rides``: all that were looked at."""

    business_day: date
    rides: int
    unpriceable: int
    entries: Written
    examples: tuple[Example, ...]


@dataclass(frozen=True, slots=True)
class Restated:
    days: tuple[DayRestated, ...]

    @property
    def examples(self) -> tuple[Example, ...]:
        return _most(example for day in self.days for example in day.examples)


@dataclass(frozen=True, slots=True)
class RestatementWorkshop:
    """``folder``: of this restatement's inputs alone. ``progress`` is told days done and days in all."""

    folder: Path
    progress: Callable[[int, int], None] = lambda _done, _total: None

    def restate(self, inputs: RestatementInputs) -> Restated:
        self.folder.mkdir(parents=True, exist_ok=True)
        days = inputs.days()
        restated = []
        for done, day in enumerate(days, 1):
            restated.append(self._kept(day) or self._made(day, inputs))
            self.progress(done, len(days))
        return Restated(tuple(restated))

    def _kept(self, day: date) -> DayRestated | None:
        path = self.folder / f"{day:%F}.json"
        return _day_back(json.loads(path.read_bytes())) if path.exists() else None

    def _made(self, day: date, inputs: RestatementInputs) -> DayRestated:
        found = _restated(inputs.of_day(day), inputs)
        name = f"{day:%F}.parquet"
        table = inputs.bookkeeping.table(found.differences, found.sets, inputs.windows)
        sha256 = _appear(self.folder / name, lambda unfinished: parquet.write(table, unfinished))
        made = DayRestated(
            day, found.rides, found.differences.unpriceable, Written(name, table.num_rows, sha256), found.examples
        )
        encoded = json.dumps(asdict(made), default=str, ensure_ascii=False).encode()
        _appear(self.folder / f"{day:%F}.json", lambda unfinished: unfinished.write_bytes(encoded))
        return made


def days_done(folder: Path) -> int:
    """How far a run has come, whichever process it is in."""
    return len(list(folder.glob("????-??-??.json")))


@dataclass(slots=True)
class _Found:
    sets: Sequence[Any]
    differences: Differences
    rides: int = 0
    examples: tuple[Example, ...] = ()


def _restated(files: Sequence[ClearedFile], inputs: RestatementInputs) -> _Found:
    rides = settled_rides(files, inputs.windows)
    rides = rides.picked(covered_sets(rides.sets, inputs.corrections.now)[rides.columns["set"]])
    fares = Fares(inputs.tariffs)
    found = _Found(rides.sets, Differences(), len(rides))
    for part in rides.chunks():
        one = compared(part, part.records(inputs.journals), inputs.corrections, fares)
        found.differences.add(differences(one, inputs.windows, fares))
        found.examples = _most((*found.examples, *_examples(one, inputs)))
    return found


def _examples(one: Compared, inputs: RestatementInputs) -> Iterator[Example]:
    impact, key = one.impact, one.rides.columns["key"]
    for row in np.lexsort((key, -impact))[:EXAMPLES].tolist():
        if impact[row]:
            yield _example(one, row, int(impact[row]), inputs)


def _example(one: Compared, row: int, impact: int, inputs: RestatementInputs) -> Example:
    record = Record.decode(one.rows[row].tobytes())
    _, of_set = one.rides.sets[one.rides.columns["set"][row]]
    return Example(
        transaction=str(_transaction(one.rides, row)),
        record=f"{record.device}/{record.journal_sequence}",
        business_day=f"{of_set.business_day:%F}",
        operator=of_set.operator,
        line=of_set.line,
        charged=record.amount_minor,
        before=int(one.before.paid[row]),
        after=int(one.after.paid[row]),
        impact=impact,
        **{language: _trace(record, inputs, name) for language, name in _LANGUAGES.items()},
    )


_LANGUAGES = {"zh": Language.CHINESE, "en": Language.ENGLISH}


def _trace(record: Record, inputs: RestatementInputs, language: Language) -> tuple[str, ...]:
    version = inputs.corrections.now.tariff_version
    try:
        return reprice(record, {record.tariff_version: inputs.tariffs[version]}).trace(language)
    except NotPriceable as why:
        return (str(why),)


def _transaction(rides: Rides, row: int) -> Any:
    columns = rides.columns
    found = {name: int(columns[name][row]) for name in ("purse", "card_sequence")}
    return transaction_of({**found, "card": columns["card"][row].tobytes(), "load": False})


def _most(examples: Any) -> tuple[Example, ...]:
    return tuple(sorted(examples, key=lambda one: (-one.impact, one.transaction))[:EXAMPLES])


def _appear(path: Path, write: Callable[[Path], Any]) -> Any:
    unfinished = path.with_name(f".{path.name}.{uuid.uuid4().hex}")
    result = write(unfinished)
    appear(unfinished, path)
    return result


def _day_back(plain: dict[str, Any]) -> DayRestated:
    examples = (Example(**{**one, "zh": tuple(one["zh"]), "en": tuple(one["en"])}) for one in plain["examples"])
    return DayRestated(
        date.fromisoformat(plain["business_day"]),
        plain["rides"],
        plain["unpriceable"],
        Written(**plain["entries"]),
        tuple(examples),
    )


class EntriesDiffer(Exception):
    """A file of entries is not what was approved; nothing of it was posted. Compute the restatement anew."""


def read_entries(folder: Path, written: Written) -> pq.ParquetFile:
    """Raises ``EntriesDiffer``."""
    path = folder / written.name
    if not path.exists() or hashlib.sha256(path.read_bytes()).hexdigest() != written.sha256:
        raise EntriesDiffer(f"{path} is not the file that was approved")
    return pq.ParquetFile(path)
