"""A whole day through the columns: records a second, peak memory, ten times the records, and against one object per record.

    .venv/bin/python benchmarks/day.py [--taps N] [--folder DIR]

Raw batches on disk to cleared Parquet, new counters and transfers, with everything between: reading, pairing, TAC, fares, deny
list, replay, repeats, gaps, booking. The day and a tenth of it in one run, each in a process of its own; then the object way
over some of the same records. What was cleared is counted before anything is reported.
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import tempfile
import time
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from day_data import DAY, ISSUER, RECORDS_OF_A_DEVICE, TAPS_OF_A_CARD, Fleet, day_rows, serials, write_batches
from day_sql import Recording, compare
from numpy.typing import NDArray

from card_os.crypto.suites import TRIPLE_DES
from clearing.day.counters import COUNTER
from clearing.day.duckdb_engine import DuckDbEngine
from clearing.day.keys import bucket_of, keys_of
from clearing.day.model import CARDS, DayInputs, Stretch
from clearing.day.reference import ObjectInputs, settle
from clearing.day.run import Workshop
from clearing.day.schema import BUCKETS, Columns, arrow_column, stacked
from clearing.facts.rules import deny_list_of
from clearing.participants.rules import demonstration
from clearing.verification.context import Context, KnownCard
from clearing.verification.reasons import Status
from clearing.verification.tac import TAC_MASTER, right_claims, tac_input
from hardware.vault.software import SoftwareVault
from hardware.vault.vault import KeyLabel
from rulebook.record import Record
from rulebook.record.columns import RECORD_DTYPE, Rows
from rulebook.tariff import load_tariff
from rulebook.tariff.demonstration import demonstration_document

OBJECT_RECORDS = 20_000


def vault() -> SoftwareVault:
    return SoftwareVault.demonstration({KeyLabel.TAC})


class Cards:
    """The register of ``count`` cards by bucket, as gathering hands it over; no counters yet."""

    def __init__(self, count: int) -> None:
        ids = np.empty((count, 18), dtype=np.uint8)
        ids[:, :8] = np.frombuffer(ISSUER, np.uint8)
        ids[:, 8:] = serials(np.arange(count, dtype=np.int64) + 1)
        cards = ids.reshape(-1).view("V18")
        nothing = np.zeros(count, dtype=np.int64)
        bucket = bucket_of(keys_of(cards, nothing, np.zeros(count, dtype=np.bool_), nothing))
        self._of_bucket = [self._table(cards[bucket == one]) for one in range(BUCKETS)]

    def cards(self, bucket: int) -> pa.Table:
        return self._of_bucket[bucket]

    def counters(self, _bucket: int) -> Columns:
        return stacked([], COUNTER)

    def settled(self, _ids: Any) -> dict[Any, Any]:
        return {}

    def _table(self, cards: NDArray[np.void]) -> pa.Table:
        classes = pa.array(["ordinary"]).take(pa.array(np.zeros(len(cards), np.int32)))
        versions = pa.array(np.ones(len(cards), np.int16))
        return pa.table([arrow_column(cards), versions, classes], schema=CARDS)


def make(folder: Path, taps: int) -> None:
    """Batches in ``folder``, and what is needed to read them again."""
    fleet = Fleet(taps * 2 // RECORDS_OF_A_DEVICE)
    tariff = load_tariff(demonstration_document())
    stretches = []
    for first in range(0, fleet.size, 500):
        devices = min(500, fleet.size - first)
        journals = day_rows(fleet, first, devices, cards=taps // TAPS_OF_A_CARD, tariff=tariff, tacs=tacs)
        stretches += write_batches(folder, journals, fleet)
    index = [[s.device, s.first, s.count, s.path.name] for s in stretches]
    (folder / "index.json").write_text(json.dumps({"taps": taps, "devices": fleet.size, "stretches": index}))


def inputs_of(folder: Path) -> DayInputs:
    index = json.loads((folder / "index.json").read_text())
    fleet, register = Fleet(index["devices"]), Cards(index["taps"] // TAPS_OF_A_CARD)
    return DayInputs(
        number=1,
        business_day=DAY,
        policy=demonstration().rules(),
        journals=tuple(Stretch(d, first, count, folder / name, 0) for d, first, count, name in index["stretches"]),
        devices=fleet.known(),
        sams=fleet.sams(),
        deny=deny_list_of([]),
        tariffs={1: load_tariff(demonstration_document())},
        register=register,
        history=register,
    )


def clear(folder: Path) -> dict[str, Any]:
    """One run: seconds, peak memory of this process, and what came out."""
    inputs = inputs_of(folder)
    with tempfile.TemporaryDirectory(dir=folder.parent) as work:
        stages: dict[str, float] = {}
        begun = time.perf_counter()

        def progress(what: str, done: int, total: int) -> None:
            if done == total:
                stages[what] = round(time.perf_counter() - begun, 2)

        engine = DuckDbEngine(spill=Path(work) / "spill")
        workshop = Workshop(Path(work) / "results", Path(work) / "stages", engine, vault(), progress)
        result = workshop.clear(inputs)
        seconds = time.perf_counter() - begun
    return {
        "records": sum(result.counts.values()),
        "seconds": seconds,
        "peak_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024,
        "accepted": result.counts[Status.ACCEPTED],
        "transfers": len(result.transfers),
        "stages": stages,
    }


def by_hand(folder: Path) -> float:
    """What Ibis takes as a part of what SQL by hand takes."""
    with tempfile.TemporaryDirectory(dir=folder.parent) as work:
        engine = Recording(spill=Path(work) / "spill")
        Workshop(Path(work) / "results", Path(work) / "stages", engine, vault()).clear(inputs_of(folder))
    return compare(engine.largest)


def by_objects(folder: Path) -> float:
    """Records a second of the object way over some of the same records."""
    inputs = inputs_of(folder)
    records = [Record.decode(row.tobytes()) for s in inputs.journals[: OBJECT_RECORDS // 400] for row in rows_of(s)]
    cards = {(record.issuer, record.serial): KnownCard(1, "ordinary") for record in records}
    context = Context(DAY, inputs.policy, inputs.devices, inputs.sams, cards, inputs.deny, inputs.tariffs)
    window = ObjectInputs(1, context, tuple(records))
    begun = time.perf_counter()
    settle(window, partial(right_claims, vault()))
    return len(records) / (time.perf_counter() - begun)


def rows_of(stretch: Stretch) -> Rows:
    rows = np.empty(stretch.count, RECORD_DTYPE)
    stretch.read_into(rows)
    return rows


def tacs(rows: Rows) -> NDArray[np.uint32]:
    """The right ones, by one call of ``cryptography`` for each."""
    cards = [serial[2:] for serial in map(bytes, rows["serial"])]
    distinct = sorted(set(cards))
    column = bytes(vault().child_keys(TAC_MASTER, [ISSUER], b"".join(distinct)))
    keys = {card: column[16 * n : 16 * n + 16] for n, card in enumerate(distinct)}
    made = [
        TRIPLE_DES.tac(keys[card], tac_input(Record.decode(row.tobytes())))
        for card, row in zip(cards, rows, strict=True)
    ]
    return np.array([int.from_bytes(tac) for tac in made], dtype=np.uint32)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--taps", type=int, default=1_000_000)
    parser.add_argument("--folder", type=Path, help="keep the batches here and use those that are there")
    parser.add_argument("--clear", type=Path, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.clear:
        print(json.dumps(clear(given.clear)))
        return
    with tempfile.TemporaryDirectory() as work:
        folder = given.folder or Path(work)
        runs = [run(folder / str(taps), taps) for taps in (given.taps // 10, given.taps)]
        objects = by_objects(folder / str(given.taps))
        ibis = by_hand(folder / str(given.taps))
    report(runs, objects, ibis)


def run(folder: Path, taps: int) -> dict[str, Any]:
    if not (folder / "index.json").exists():
        folder.mkdir(parents=True, exist_ok=True)
        make(folder, taps)
    done = subprocess.run(
        [sys.executable, "-W", "ignore", __file__, "--clear", folder], check=True, capture_output=True
    )
    result: dict[str, Any] = json.loads(done.stdout)
    assert result["records"] == 2 * taps
    return result


def report(runs: list[dict[str, Any]], objects: float, ibis: float) -> None:
    for one in runs:
        rate = one["records"] / one["seconds"]
        print(
            f"{one['records']:>12,} records in {one['seconds']:.1f} s: {rate:,.0f}/s, peak {one['peak_mb']:,} MB",
            one["stages"],
        )
    small, large = runs
    print(f"ten times the records: {large['seconds'] / small['seconds']:.1f} times the time")
    rate = large["records"] / large["seconds"]
    print(f"one object for each record: {objects:,.0f}/s; columns are {rate / objects:.0f} times that")
    print(f"judging and booking by Ibis takes {ibis:.2f} of the processor time of the same SQL by hand")


if __name__ == "__main__":
    main()
