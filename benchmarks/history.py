"""A card's last year among a hundred million cleared records: milliseconds a look, against DuckDB scanning the cleared files.

    .venv/bin/python benchmarks/history.py [--records N] [--folder DIR] [--cards N]

Makes the year once (365 days in 16 buckets by the real writer: about 2 GB of cleared files and 3.5 GB of pieces, in some ten
minutes; an interrupted run goes on where it was) and folds it. *First* looks are at cards nobody looked at, after the kernel
was told to forget every file; *again* is the same cards once more. What is found is compared with the scan before anything is
reported.
"""

from __future__ import annotations

import argparse
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import duckdb
import numpy as np
from history_data import Year, card_ids, make

from clearing.history.folding import fold
from clearing.history.lookup import bucket_of_card, card_history, key_range
from clearing.history.rules import ClearedRecord

SCANS = 10
CARDS_OF_A_THOUSAND = 3


class Looks:
    """Ways to a card's year."""

    def __init__(self, folder: Path, names: list[str], year: Year) -> None:
        self._folder, self._names = folder, names
        self._period = year.business_day(0), year.business_day(year.days - 1)
        self._duckdb = duckdb.connect()

    def card(self, card: bytes) -> list[ClearedRecord]:
        return card_history(self._folder, self._names, card, *self._period)

    def scan(self, card: bytes) -> int:
        """Every file, as one would write it; rows found."""
        return self._rows(card, "card = $2", str(self._folder / "cleared/*/*.parquet"), card)

    def scan_bucket(self, card: bytes) -> int:
        """The card's bucket and the range of its keys only."""
        files = str(self._folder / f"cleared/*/{bucket_of_card(card):02}-*.parquet")
        return self._rows(card, "key BETWEEN $2 AND $3", files, *key_range(card))

    def _rows(self, card: bytes, condition: str, files: str, *values: bytes | int) -> int:
        query = f"SELECT * FROM read_parquet($1) WHERE {condition}"
        rows = self._duckdb.sql(query, params=[files, *values]).to_arrow_table()
        return sum(one == card for one in rows.column("card").to_pylist())


def timed(look: Callable[[bytes], object], cards: list[bytes]) -> list[float]:
    """Milliseconds of each."""
    taken = []
    for card in cards:
        begun = time.perf_counter()
        look(card)
        taken.append((time.perf_counter() - begun) * 1e3)
    return taken


def forget(folder: Path) -> None:
    """Drop the kernel's copy of every file below ``folder``."""
    for path in folder.rglob("*.*"):
        if path.is_file():
            with path.open("rb") as file:
                os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)


def prepare(folder: Path, year: Year) -> list[str]:
    say("Making and folding the year; this takes some ten minutes for a hundred million records, and once.")
    names = make(folder, year, lambda done, total: say(f"  made {done} of {total} days", done % 30 == 0))
    begun = time.perf_counter()
    fold(folder, names, lambda done, total: say(f"  folded {done} of {total}", done % 24 == 0))
    say(f"folding took {time.perf_counter() - begun:.0f} s")
    return names


def say(what: str, when: bool = True) -> None:
    if when:
        print(what, file=sys.stderr, flush=True)


def report(name: str, taken: list[float]) -> None:
    cuts = statistics.quantiles(taken, n=100, method="inclusive")
    print(f"{name:<34} p50 {cuts[49]:8.1f} ms   p99 {cuts[98]:8.1f} ms   ({len(taken)} looks)")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--records", type=int, default=100_000_000)
    parser.add_argument("--folder", type=Path, help="keep the year here and use the one that is there")
    parser.add_argument("--cards", type=int, default=200, help="looked up")
    given = parser.parse_args()
    year = Year(given.records, max(given.records * CARDS_OF_A_THOUSAND // 1000, given.cards))
    with tempfile.TemporaryDirectory() as work:
        folder = given.folder or Path(work)
        names = prepare(folder, year)
        measure(folder, names, year, given.cards)


def measure(folder: Path, names: list[str], year: Year, count: int) -> None:
    chosen = np.random.default_rng(1).choice(year.cards, count, replace=False)
    cards = [card.tobytes() for card in card_ids(np.sort(chosen) + 1)]
    np.random.default_rng(2).shuffle(cards)
    looks = Looks(folder, names, year)
    check(looks, cards[:SCANS])
    forget(folder)
    print(
        f"{year.records:,} records in {len(names):,} files, {sum(len(looks.card(c)) for c in cards[:1])} of the first card"
    )
    forget(folder)
    first = timed(looks.card, cards)
    again = timed(looks.card, cards)
    scan, bucket = timed(looks.scan, cards[:SCANS]), timed(looks.scan_bucket, cards[:SCANS])
    report("pieces, first look", first)
    report("pieces, again", again)
    report("DuckDB, every file", scan)
    report("DuckDB, the card's bucket and keys", bucket)
    of_scan, of_bucket = (statistics.median(way) / statistics.median(again) for way in (scan, bucket))
    print(f"a look costs 1/{of_scan:,.0f} of the scan, 1/{of_bucket:,.0f} of that of the bucket")


def check(looks: Looks, cards: list[bytes]) -> None:
    for card in cards:
        found = len(looks.card(card))
        assert found == looks.scan_bucket(card), card.hex()
        assert found > 0, card.hex()


if __name__ == "__main__":
    main()
