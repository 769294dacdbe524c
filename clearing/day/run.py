"""A window's day from journals to result. What a stage makes is a file that appears whole or not at all: a run that was killed
goes on where it was, and two runs at once make the same files."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

import pyarrow as pa
import pyarrow.parquet as pq

from clearing.day import parquet
from clearing.day.cleared import files
from clearing.day.encoding import Found, decode, encode
from clearing.day.engine import Engine
from clearing.day.groups import Clerk, Ended
from clearing.day.model import Day, DayInputs, Stretch
from clearing.day.moments import datetime_of
from clearing.day.parquet import Written
from clearing.day.parts import PartFile, write_part
from clearing.day.posting import added
from clearing.day.reading import parts_of, read_part
from clearing.day.registers import counter_files
from clearing.day.schema import BUCKETS
from clearing.day.shared_rides import RIDES
from clearing.day.shared_rides import added as added_rides
from clearing.durable import appear
from clearing.intake.rules import Range, merged, missing
from clearing.ledger.rules import Transfer
from clearing.settlement.model import DecidedRecord, Remark
from clearing.verification.context import TransactionId
from clearing.verification.reasons import RemarkKind, Status
from hardware.vault.vault import Vault

T = TypeVar("T")
R = TypeVar("R")

GROUP_ROWS = 500_000
"""Entries that are worked at once; a bucket is never parted."""

WORKERS = 2

READERS = 3
"""One more: somebody always waits until a part is on disk. It made reading a third quicker (benchmarks/README.md)."""


@dataclass(frozen=True, slots=True)
class DayResult:
    """``cleared`` and ``counters`` are files below the folder given; of counters only buckets that were touched.
    ``transfers``: what the window's records move, sets and single ones, by id; ``pieces``: of how many records each set is.
    ``rides``: ``shared_rides.RIDES``. ``held``: all that is on "open taps" now."""

    counts: Counter[Status]
    exceptions: tuple[DecidedRecord, ...]
    remarks: tuple[Remark, ...]
    transfers: tuple[Transfer, ...]
    held: Mapping[TransactionId, int]
    cleared: tuple[Written, ...]
    counters: tuple[Written, ...]
    pieces: Mapping[str, int] = field(default_factory=dict)
    rides: pa.Table = field(default_factory=RIDES.empty_table)


@dataclass(frozen=True, slots=True)
class Workshop:
    """``results``: where cleared files and counters stay. ``stages``: what this run makes on its way, named by the inputs
    (a digest of the manifest); it may be thrown away when the window is closed."""

    results: Path
    stages: Path
    engine: Engine
    vault: Vault
    progress: Callable[[str, int, int], None] = lambda _what, _done, _total: None

    def clear(self, inputs: DayInputs) -> DayResult:
        self.stages.mkdir(parents=True, exist_ok=True)
        day = Day(inputs)
        parts = self._read(day)
        groups = list(_groups(parts))
        clerk = Clerk.of(day, parts, self.engine, self.vault)
        found = self._each("judged", groups, lambda buckets: self._found(clerk, buckets, parts))
        return _assembled(day, parts, found, rides=added_rides(map(pq.read_table, map(self._rides, groups))))

    def _read(self, day: Day) -> list[PartFile]:
        work = [(part, waiting) for waiting in (False, True) for part in parts_of(_journals(day.inputs, waiting))]
        return self._each("read", list(enumerate(work)), lambda item: self._part(day, item[0], *item[1]), READERS)

    def _part(self, day: Day, number: int, stretches: Sequence[Stretch], waiting: bool) -> PartFile:
        path = self.stages / f"part-{number:05}.columns"
        if not path.exists():
            part = read_part(
                stretches,
                device_numbers=day.device_numbers,
                covered={} if waiting else day.inputs.covered,
                reading=day.reading,
                waiting=waiting,
            )
            _appear(path, lambda unfinished: write_part(part, unfinished))
        return PartFile.open(path)

    def _found(self, clerk: Clerk, buckets: range, parts: Sequence[PartFile]) -> Found:
        path = self.stages / f"buckets-{buckets.start:02}-{buckets.stop - 1:02}.json"
        if path.exists():
            return decode(path.read_bytes())
        ended = clerk.end(buckets, parts)
        found = self._written(ended, clerk.day)
        _appear(self._rides(buckets), lambda unfinished: pq.write_table(ended.rides, unfinished))
        _appear(path, lambda unfinished: unfinished.write_bytes(encode(found)))
        return found

    def _rides(self, buckets: range) -> Path:
        return self.stages / f"rides-{buckets.start:02}-{buckets.stop - 1:02}.parquet"

    def _written(self, ended: Ended, day: Day) -> Found:
        cleared = [parquet.keep(table, self.results, f"cleared/{name}") for name, table in files(ended.rows, day)]
        counters = [
            parquet.keep(table, self.results, f"counters/{name}") for name, table in counter_files(ended.counters)
        ]
        return Found(
            counts=ended.counts,
            exceptions=tuple(ended.exceptions),
            remarks=tuple(ended.remarks),
            sets=ended.sets,
            single=tuple(ended.single),
            held=ended.held,
            released=tuple(ended.released),
            cleared=tuple(cleared),
            counters=tuple(counters),
        )

    def _each(self, what: str, items: Sequence[T], work: Callable[[T], R], workers: int = WORKERS) -> list[R]:
        """In order of ``items``, so many at once."""
        results = []
        with ThreadPoolExecutor(workers) as pool:
            for done, result in enumerate(pool.map(work, items), 1):
                results.append(result)
                self.progress(what, done, len(items))
        return results


def _appear(path: Path, write: Callable[[Path], object]) -> None:
    """A second run's file is the same."""
    unfinished = parquet.unfinished_of(path)
    write(unfinished)
    appear(unfinished, path)


def _journals(inputs: DayInputs, waiting: bool) -> tuple[Stretch, ...]:
    return inputs.waiting if waiting else inputs.journals


def _groups(parts: Sequence[PartFile]) -> Iterator[range]:
    """Ranges of buckets with some ``GROUP_ROWS`` entries each."""
    counts = [sum(part.counts[bucket] for part in parts) for bucket in range(BUCKETS)]
    first, rows = 0, 0
    for bucket, count in enumerate(counts):
        if bucket > first and rows + count > GROUP_ROWS:
            yield range(first, bucket)
            first, rows = bucket, 0
        rows += count
    yield range(first, BUCKETS)


def _assembled(day: Day, parts: Sequence[PartFile], found: Sequence[Found], *, rides: pa.Table) -> DayResult:
    inputs = day.inputs
    sets = added(one.sets for one in found)
    of_sets = [(fares.transfer(inputs.number, minor, count), count) for fares, (minor, count) in sets.items()]
    transfers = [transfer for transfer, _ in of_sets]
    transfers += [transfer for one in found for transfer in one.single]
    remarks = [remark for one in found for remark in one.remarks]
    remarks += [*_clock_faults(day, parts), *_journal_gaps(day)]
    released = {id_ for one in found for id_ in one.released}
    held = {id_: minor for one in found for id_, minor in one.held.items()}
    held |= {id_: minor for id_, minor in inputs.held.items() if not (id_ in released or id_ in inputs.decided)}
    return DayResult(
        counts=sum((one.counts for one in found), Counter()),
        exceptions=tuple(sorted((row for one in found for row in one.exceptions), key=lambda row: row.decision.record)),
        remarks=tuple(sorted(remarks)),
        transfers=tuple(sorted(transfers, key=lambda transfer: transfer.id)),
        held=dict(sorted(held.items())),
        cleared=tuple(sorted(written for one in found for written in one.cleared)),
        counters=tuple(sorted(written for one in found for written in one.counters)),
        pieces={transfer.id: count for transfer, count in of_sets},
        rides=rides,
    )


def _clock_faults(day: Day, parts: Sequence[PartFile]) -> Iterator[Remark]:
    for device, sequence, before, at in (fault for part in parts for fault in part.faults):
        detail = f"{sequence}: {datetime_of(before):%F %T} → {datetime_of(at):%F %T}"
        yield Remark(RemarkKind.CLOCK_WENT_BACK, day.devices[device], detail=detail)


def _journal_gaps(day: Day) -> Iterator[Remark]:
    """Of devices that sent something in this window."""
    came: dict[str, list[Range]] = {}
    for stretch in day.inputs.journals:
        came.setdefault(stretch.device, []).append((stretch.first, stretch.first + stretch.count - 1))
    for device, ranges in came.items():
        operator = day.operator_of(day.device_numbers[device])
        for first, last in missing(merged((*day.inputs.covered.get(device, ()), *ranges))):
            yield Remark(RemarkKind.JOURNAL_GAP, device, operator, detail=f"{first}–{last}")
