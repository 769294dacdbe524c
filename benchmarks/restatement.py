"""A day restated by another tariff: rides a second in columns, against one ride at a time by the rules.

    .venv/bin/python benchmarks/restatement.py [--taps N] [--folder DIR]

The made-up day of `day.py` is cleared first (not measured). Then every ride of it is read back from the cleared files and the
raw journals, priced by the version its terminal had and by the right one, and summed to entries. The same over the rides of one
file one by one; both must find the same. At last, when each card was used last, out of the same files.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections import Counter
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
from day import inputs_of, make, vault

from clearing.apportionment.agreement import Agreements
from clearing.day.duckdb_engine import DuckDbEngine
from clearing.day.fares import Fare
from clearing.day.model import DayInputs, Journals, Stretch
from clearing.day.run import DayResult, Workshop
from clearing.fare_checks.rules import NotPriceable, reprice
from clearing.reports.last_use import last_use
from clearing.restatement.differences import Corrections
from clearing.restatement.entries import Bookkeeping
from clearing.restatement.rides import ClearedFile, WindowFacts
from clearing.restatement.rules import Correction, as_cleared, changes, restated
from clearing.restatement.workshop import Restated, RestatementInputs, RestatementWorkshop
from rulebook.record import Event, Record
from rulebook.tariff import RiderClass, load_tariff
from rulebook.tariff.demonstration import demonstration_document
from simulator.city.bulk.register import Register
from simulator.city.places import DAY


def right_tariff() -> dict[str, Any]:
    """Version 2: a bus costs 1.60 instead of 2.00, the first metro tier 3.60 instead of 3.00."""
    document = demonstration_document(version=2)
    document["zones"][0]["tiers"][0]["amount_minor"] = 160
    document["zones"][1]["tiers"][0]["amount_minor"] = 360
    return document


def restatement_of(day: DayInputs, result: DayResult, results: Path) -> RestatementInputs:
    journals: dict[str, list[Stretch]] = {}
    for stretch in sorted(day.journals):
        journals.setdefault(stretch.device, []).append(stretch)
    now = Correction(
        number="1",
        first_day=DAY - timedelta(days=60),
        last_day=DAY + timedelta(days=1),
        tariff_version=2,
        borne_by="card-company",
        through_window=1,
    )
    none = Agreements.model_validate({"version": 1})
    operators = {name: device.operator for name, device in day.devices.items()}
    return RestatementInputs(
        corrections=Corrections((), now),
        files=tuple(ClearedFile(1, results / written.name) for written in result.cleared),
        journals=journals,
        windows={1: WindowFacts(operators, day.register, none, day.tariffs)},
        tariffs={**day.tariffs, 2: load_tariff(right_tariff())},
        bookkeeping=Bookkeeping("1", {"card-company": "fees"}),
    )


def one_by_one(inputs: RestatementInputs) -> tuple[int, float, Counter[Any]]:
    """Rides, seconds, and fen by operator and kind, of the first file."""
    journals = Journals(stretch for stretches in inputs.journals.values() for stretch in stretches)
    facts = inputs.windows[1]
    assert isinstance(facts.register, Register)
    known = facts.register.known()
    rows = pq.read_table(inputs.files[0].path).to_pylist()
    rows = [row for row in rows if row["settled"] and not row["load"] and row["event"] in (Event.RIDE, Event.EXIT)]
    found: Counter[Any] = Counter()
    begun = time.perf_counter()
    for row in rows:
        inputs_at = (row["intent_device"], row["intent_sequence"]) if row["intent_device"] else None
        record = Record.decode(journals.raw(*(inputs_at or (row["device"], row["sequence"]))))
        granted = known[record.issuer, record.serial].rider_class == RiderClass.of_code(record.card_class)
        before = as_cleared(row["amount"], fare(record, 1, inputs), granted=granted)
        after = restated(before, fare(record, 2, inputs), granted=granted, borne_by="card-company")
        for (kind, _), minor in changes(before, after).items():
            found[facts.operators[record.device], kind] += minor
    return len(rows), time.perf_counter() - begun, found


def fare(record: Record, version: int, inputs: RestatementInputs) -> Fare | None:
    try:
        return Fare.of(reprice(replace(record, tariff_version=version), inputs.tariffs))
    except NotPriceable:
        return None


def in_columns(inputs: RestatementInputs, folder: Path) -> tuple[Restated, float, Counter[Any]]:
    begun = time.perf_counter()
    found = RestatementWorkshop(folder).restate(inputs)
    seconds = time.perf_counter() - begun
    sums: Counter[Any] = Counter()
    for day in found.days:
        for row in pq.read_table(folder / day.entries.name, columns=["operator", "kind", "minor"]).to_pylist():
            sums[row["operator"], row["kind"]] += row["minor"]
    return found, seconds, sums


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--taps", type=int, default=1_000_000)
    parser.add_argument("--folder", type=Path, help="keep the batches here and use those that are there")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        work = Path(temporary)
        batches = (given.folder or work) / str(given.taps)
        if not (batches / "index.json").exists():
            batches.mkdir(parents=True, exist_ok=True)
            make(batches, given.taps)
        day = inputs_of(batches)
        engine = DuckDbEngine(spill=work / "spill")
        result = Workshop(work / "results", work / "stages", engine, vault()).clear(day)
        report(restatement_of(day, result, work / "results"), work)


def report(inputs: RestatementInputs, work: Path) -> None:
    in_columns(replace(inputs, files=inputs.files[:1]), work / "warm")  # compiled kernels are loaded
    rides, seconds, wanted = one_by_one(inputs)
    few, _, found = in_columns(replace(inputs, files=inputs.files[:1]), work / "few")
    assert sum(day.rides for day in few.days) == rides
    assert found == wanted
    whole, took, _ = in_columns(inputs, work / "whole")
    every, entries = sum(day.rides for day in whole.days), sum(day.entries.rows for day in whole.days)
    alone, rate = rides / seconds, every / took
    print(f"{every:,} rides restated in {took:.1f} s: {rate:,.0f}/s, {entries:,} entries")
    print(f"one ride at a time: {alone:,.0f}/s; columns are {rate / alone:.0f} times that")
    begun = time.perf_counter()
    cards = last_use([file.path for file in inputs.files]).num_rows
    print(f"last use of {cards:,} cards found in {time.perf_counter() - begun:.2f} s")


if __name__ == "__main__":
    main()
