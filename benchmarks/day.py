"""A whole day through the columns: records a second, peak memory, ten times the records, and against one object per record.

    .venv/bin/python benchmarks/day.py [--taps N] [--folder DIR]

The day is the demonstration city's in bulk (``simulator.city.bulk``), some two records a tap: 2 million records by default, 20
million with ``--taps 10000000`` (then 10 GB in DIR). Raw batches on disk, as terminals uploaded them, to cleared Parquet, new
counters and transfers, with everything between: reading, pairing, TAC, fares, deny list, replay, repeats, gaps, booking. The
day and a tenth of it in one run, each made and cleared in a process of its own; then the object way over some of the same
records. *cpu* is of both cores; what the system takes of it is for memory and files. A day is read faster the second time, when
its files are in memory as those that just came in are: run with ``--folder`` twice.
Before anything is reported, what was cleared is counted and compared with the faults that the city declares.
"""

from __future__ import annotations

import argparse
import gc
import json
import resource
import subprocess
import sys
import tempfile
import time
from collections import Counter
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from day_sql import Recording, compare

from clearing.day.duckdb_engine import DuckDbEngine
from clearing.day.model import DayInputs, Stretch
from clearing.day.reference import ObjectInputs, settle
from clearing.day.run import DayResult, Workshop
from clearing.facts.rules import deny_list_of
from clearing.participants.rules import demonstration
from clearing.verification.context import Context, KnownLoad, TransactionId
from clearing.verification.reasons import Reason, Status
from clearing.verification.tac import right_claims
from hardware.vault.software import SoftwareVault
from hardware.vault.vault import KeyLabel
from rulebook.batch import OFFSET
from rulebook.record import Record
from rulebook.record.columns import RECORD_DTYPE, Rows
from rulebook.tariff import load_tariff
from rulebook.tariff.demonstration import demonstration_document
from simulator.city.bulk.day import BulkDay, denials
from simulator.city.bulk.faults import Fault
from simulator.city.bulk.journals import write
from simulator.city.bulk.register import Register
from simulator.city.bulk.town import Extent, Town
from simulator.city.places import DAY

SEED = 1
TAPS_OF_A_CARD = 4
OBJECT_RECORDS = 20_000
_FOUND_AS = {
    Fault.TAC_WRONG: Reason.TAC_WRONG,
    Fault.REPEATED: Reason.REPEATED,
    Fault.TORN_OPEN: Reason.INTENT_WITHOUT_OUTCOME,
}


def vault() -> SoftwareVault:
    return SoftwareVault.demonstration({KeyLabel.TAC})


def make(folder: Path, taps: int) -> None:
    """Batches in ``folder``, and what is needed to read them again."""
    begun = time.perf_counter()
    day = BulkDay(Extent(taps // TAPS_OF_A_CARD, taps), seed=SEED)
    uploads = write(day, folder, vault())
    index = {
        "cards": day.town.extent.cards,
        "taps": taps,
        "uploads": [[one.device, one.first, one.count, str(one.path.relative_to(folder))] for one in uploads],
        "loads": [[str(id_), load.amount_minor] for id_, load in day.known_loads().items()],
        "denied": day.denied.tolist(),
        "declared": {fault.name: count for fault, count in day.declared().items()},
        "seconds": time.perf_counter() - begun,
        "peak_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024,
    }
    (folder / "index.json").write_text(json.dumps(index))


def index_of(folder: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((folder / "index.json").read_text())
    return found


def inputs_of(folder: Path) -> DayInputs:
    index = index_of(folder)
    town = Town(Extent(index["cards"], index["taps"]), SEED)
    register = Register(town)
    return DayInputs(
        number=1,
        business_day=DAY,
        policy=demonstration().rules(),
        journals=tuple(Stretch(d, first, count, folder / name, OFFSET) for d, first, count, name in index["uploads"]),
        devices=town.known_devices(),
        sams=town.sams(),
        deny=deny_list_of(denials(np.array(index["denied"], dtype=np.int64))),
        tariffs={1: load_tariff(demonstration_document())},
        register=register,
        history=register,
        loads={TransactionId.parse(id_): KnownLoad(amount, posted=True) for id_, amount in index["loads"]},
    )


def clear(folder: Path) -> dict[str, Any]:
    """One run: seconds, peak memory of this process, and what came out."""
    inputs = inputs_of(folder)
    with tempfile.TemporaryDirectory(dir=folder.parent) as work:
        stages: dict[str, float] = {}
        begun, used = time.perf_counter(), cpu()

        def progress(what: str, done: int, total: int) -> None:
            if done == total:
                stages[what] = round(time.perf_counter() - begun, 2)

        engine = DuckDbEngine(spill=Path(work) / "spill")
        workshop = Workshop(Path(work) / "results", Path(work) / "stages", engine, vault(), progress)
        gc.freeze()  # as the service does when it starts
        result = workshop.clear(inputs)
        seconds = time.perf_counter() - begun
        gc.unfreeze()
    check(result, index_of(folder)["declared"])
    return {
        "records": sum(result.counts.values()),
        "seconds": seconds,
        "peak_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024,
        "cpu_s": [round(after - before, 1) for before, after in zip(used, cpu(), strict=True)],
        "accepted": result.counts[Status.ACCEPTED],
        "transfers": len(result.transfers),
        "stages": stages,
    }


def cpu() -> tuple[float, float]:
    """Seconds of this process: its own and the system's."""
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime, used.ru_stime


def check(result: DayResult, declared: dict[str, int]) -> None:
    """Of each fault at least 95 in a hundred are found, the others went with batches that were lost; and none more."""
    found = Counter(reason for reason, _ in {(row.decision.reason, row.transaction) for row in result.exceptions})
    for fault, reason in _FOUND_AS.items():
        assert 0.95 * declared[fault.name] <= found[reason] <= declared[fault.name], (reason, found, declared)


def by_hand(folder: Path) -> float:
    """What Ibis takes as a part of what SQL by hand takes."""
    with tempfile.TemporaryDirectory(dir=folder.parent) as work:
        engine = Recording(spill=Path(work) / "spill")
        Workshop(Path(work) / "results", Path(work) / "stages", engine, vault()).clear(inputs_of(folder))
    return compare(engine.largest)


def by_objects(folder: Path) -> float:
    """Records a second of the object way over some of the same records."""
    inputs = inputs_of(folder)
    records: list[Record] = []
    for stretch in inputs.journals:
        if len(records) < OBJECT_RECORDS:
            records += [Record.decode(row.tobytes()) for row in rows_of(stretch)]
    cards = Register(Town(Extent(index_of(folder)["cards"], index_of(folder)["taps"]), SEED)).known()
    context = Context(DAY, inputs.policy, inputs.devices, inputs.sams, cards, inputs.deny, inputs.tariffs)
    window = ObjectInputs(1, context, tuple(records))
    begun = time.perf_counter()
    settle(window, partial(right_claims, vault()))
    return len(records) / (time.perf_counter() - begun)


def rows_of(stretch: Stretch) -> Rows:
    rows = np.empty(stretch.count, RECORD_DTYPE)
    stretch.read_into(rows)
    return rows


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--taps", type=int, default=1_000_000)
    parser.add_argument("--folder", type=Path, help="keep the batches here and use those that are there")
    parser.add_argument("--make", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--clear", type=Path, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.make:
        make(given.make, given.taps)
        return
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
        of_its_own("--make", folder, "--taps", taps)
    result: dict[str, Any] = json.loads(of_its_own("--clear", folder))
    index = index_of(folder)
    return result | {"made_s": index["seconds"], "made_mb": index["peak_mb"]}


def of_its_own(*options: object) -> bytes:
    """What this program prints in a process of its own."""
    command = [sys.executable, "-W", "ignore", __file__, *map(str, options)]
    return subprocess.run(command, check=True, capture_output=True).stdout


def report(runs: list[dict[str, Any]], objects: float, ibis: float) -> None:
    for one in runs:
        rate = one["records"] / one["seconds"]
        print(
            f"{one['records']:>12,} records in {one['seconds']:.1f} s: {rate:,.0f}/s, peak {one['peak_mb']:,} MB",
            one["stages"],
        )
        own, system = one["cpu_s"]
        print(f"             cpu {own:.1f} s and the system's {system:.1f} s")
        made = one["records"] / one["made_s"]
        print(f"             made by the city in {one['made_s']:.1f} s: {made:,.0f}/s, peak {one['made_mb']:,} MB")
    small, large = runs
    print(f"ten times the records: {large['seconds'] / small['seconds']:.1f} times the time")
    rate = large["records"] / large["seconds"]
    print(f"one object for each record: {objects:,.0f}/s; columns are {rate / objects:.0f} times that")
    print(f"judging and booking by Ibis takes {ibis:.2f} of the processor time of the same SQL by hand")


if __name__ == "__main__":
    main()
