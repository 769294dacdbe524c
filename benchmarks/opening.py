"""Cards of a running city per second: read and checked whole, and as files of counters; beside a reader row by row.

    .venv/bin/python benchmarks/opening.py [--cards N]

What is measured: from the file's bytes in memory to columns with every check (forms, repeats, sums), then the counters of every
purse written and durable. The plain way reads with ``csv.DictReader`` and does the same checks with sets and sums, no counters.
Both must come to the same sums.
"""

from __future__ import annotations

import argparse
import csv
import io
import random
import re
import tempfile
import time
from pathlib import Path

from clearing.opening.cards import FORMS, opening_counters, products_of, read_cards
from clearing.opening.counters import write_counters

ISSUER = "01991000FFFFFFFF"
PRODUCTS = ("ordinary", "student", "elder")


def card_file(count: int, source: random.Random) -> bytes:
    lines = [
        f"{ISSUER},03109910{card:012d},{PRODUCTS[card % 3]},2,{source.randrange(3000)},{source.randrange(300)},"
        f"{source.randrange(100_000)},2000"
        for card in range(count)
    ]
    return "\n".join([",".join(FORMS), *lines, ""]).encode()


def row_by_row(content: bytes) -> int:
    """The sum of balances, fen."""
    forms = {name: (re.compile(form.pattern), form.largest) for name, form in FORMS.items()}
    seen: set[tuple[str, str, str]] = set()
    total = 0
    for row in csv.DictReader(io.StringIO(content.decode("ascii"))):
        for name, (pattern, largest) in forms.items():
            value = row[name]
            if not pattern.fullmatch(value) or (largest is not None and value and int(value) > largest):
                raise ValueError(row)
        key = (row["issuer"].upper(), row["serial"].upper(), row["purse"])
        if key in seen:
            raise ValueError(row)
        seen.add(key)
        total += int(row["balance_minor"])
    return total


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cards", type=int, default=1_000_000)
    count = parser.parse_args().cards
    content = card_file(count, random.Random(1))
    begun = time.perf_counter()
    plain = row_by_row(content)
    naive = time.perf_counter() - begun
    read_cards(card_file(10_000, random.Random(2)), [bytes.fromhex(ISSUER)])  # libraries are loaded
    begun = time.perf_counter()
    cards, faults = read_cards(content, [bytes.fromhex(ISSUER)])
    products = products_of(cards)
    reading = time.perf_counter() - begun
    if faults or sum(product.balance_minor for product in products) != plain:
        raise SystemExit("the two ways differ")
    with tempfile.TemporaryDirectory() as folder:
        begun = time.perf_counter()
        written = write_counters(opening_counters(cards), Path(folder))
        counting = time.perf_counter() - begun
    if sum(file.rows for file in written) != 2 * count:
        raise SystemExit("counters are missing")
    print(f"row by row, checks only   {naive:6.2f} s  {count / naive:>11,.0f} cards/s   1.0")
    print(f"columns, checks only      {reading:6.2f} s  {count / reading:>11,.0f} cards/s  {naive / reading:4.1f}")
    print(f"counters of {count:,} cards written in {counting:.2f} s ({2 * count / counting:,.0f} counters/s)")


if __name__ == "__main__":
    main()
