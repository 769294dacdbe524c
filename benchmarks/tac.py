"""TACs verified a second on one core: kernels over columns against one call of ``cryptography`` a record, in one run.

    .venv/bin/python benchmarks/tac.py [--records N] [--rounds N]

Cards' TAC keys are known ("warm"), as after the vault has derived a day's distinct cards; every record has a key of its own.
*kernel* is from words to a mask, *from columns* the whole of ``clearing.verification.bulk.right_tacs``: messages laid out, keys
folded, the sample computed again. One record in ten thousand is forged, and a way that does not find exactly those is not
reported. Medians of the rounds, the ways in turn.
"""

from __future__ import annotations

import argparse
import os
import statistics
import time
from collections.abc import Callable
from typing import Any

import numpy as np

from card_os.crypto.purse import purchase_tac_input
from card_os.crypto.suites import TRIPLE_DES
from clearing.verification.bulk import TacColumns, right_tacs
from clearing.verification.kernels.des import fast, plain

NAIVE_CALLS = 100_000
FORGED_EVERY = 10_000
TARGETS = {"fast kernel": "200 times", "plain kernel": "20 times", "fast, from columns": "15 M/s"}


def columns_of(count: int) -> tuple[TacColumns, Any]:
    random = np.random.default_rng(20260915)
    bits = {"amount": 10, "sam_terminal": 48, "sam_sequence": 32, "card_sequence": 16, "balance_before": 17}
    numbers = {name: random.integers(0, 2**wide, count, dtype=np.int64) for name, wide in bits.items()}
    numbers["transaction_type"] = np.full(count, 9, dtype=np.int64)
    numbers["stamp"] = 0x20260915000000 + random.integers(0, 0x235959, count, dtype=np.int64)
    numbers["tac"] = np.zeros(count, dtype=np.int64)
    keys = random.integers(0, 256, (count, 16), dtype=np.uint8)
    return TacColumns(load=np.zeros(count, dtype=np.bool_), **numbers), keys


def message(of: TacColumns, row: int) -> bytes:
    stamp = int(of.stamp[row]).to_bytes(7)
    return purchase_tac_input(
        amount_minor=int(of.amount[row]),
        transaction_type=int(of.transaction_type[row]),
        terminal=int(of.sam_terminal[row]).to_bytes(6),
        terminal_sequence=int(of.sam_sequence[row]),
        date=stamp[:4],
        time=stamp[4:],
    )


def made_one_by_one(of: TacColumns, keys: Any) -> float:
    """Fill in the TACs, one call of ``cryptography`` each; how many that were a second."""
    started = time.perf_counter()
    for row in range(len(keys)):
        of.tac[row] = int.from_bytes(TRIPLE_DES.tac(keys[row].tobytes(), message(of, row)))
    made = len(keys) / (time.perf_counter() - started)
    calls = [(keys[row].tobytes(), message(of, row)) for row in range(NAIVE_CALLS)]  # the layout is not the MAC's cost
    return max(made, per_second(lambda: [TRIPLE_DES.tac(*call) for call in calls], NAIVE_CALLS))


def words(of: TacColumns, keys: Any) -> tuple[Any, Any, Any]:
    """What a kernel takes: folded keys, three blocks, expected TACs."""
    captured: list[tuple[Any, Any, Any]] = []

    def capture(*columns: Any) -> Any:
        captured.append(tuple(column.copy() for column in columns))
        return plain.wrong(*columns)

    right_tacs(of, keys, capture)
    return captured[0]


def per_second(work: Callable[[], Any], count: int) -> float:
    started = time.perf_counter()
    work()
    return count / (time.perf_counter() - started)


def judged(name: str, wrong: Any, forged: Any) -> None:
    if np.flatnonzero(wrong).tolist() != forged.tolist():
        raise SystemExit(f"{name} does not find the forged records and only those; nothing is reported")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--records", type=int, default=1 << 20)
    parser.add_argument("--rounds", type=int, default=7)
    given = parser.parse_args()
    os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})
    of, keys = columns_of(given.records)
    naive = made_one_by_one(of, keys)
    forged = np.arange(FORGED_EVERY // 2, given.records, FORGED_EVERY)
    of.tac[forged] ^= 1
    columns = words(of, keys)
    for name, kernel in (("plain", plain.wrong), ("fast", fast.wrong)):
        judged(name, kernel(*columns), forged)
        judged(f"{name} from columns", ~right_tacs(of, keys, kernel), forged)
    ways: dict[str, Callable[[], Any]] = {
        "plain kernel": lambda: plain.wrong(*columns),
        "fast kernel": lambda: fast.wrong(*columns),
        "fast, from columns": lambda: right_tacs(of, keys, fast.wrong),
    }
    rounds = [{name: per_second(work, given.records) for name, work in ways.items()} for _ in range(given.rounds)]
    print(f"{'cryptography, one call each':<28}{naive / 1e6:8.3f} M/s")
    for name in ways:
        rate = statistics.median(round_[name] for round_ in rounds)
        wanted = TARGETS.get(name)
        print(f"{name:<28}{rate / 1e6:8.3f} M/s  {rate / naive:6.0f} times" + (f"  wanted {wanted}" if wanted else ""))


if __name__ == "__main__":
    main()
