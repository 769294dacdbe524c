"""TACs verified a second on one core: kernels over columns against one call of ``cryptography`` a record, in one run.

    .venv/bin/python benchmarks/tac.py [--records N] [--rounds N]

*Warm*: cards' TAC keys are known, as after the vault has derived a day's distinct cards; every record has a key of its own.
*Cold*: each record's key is diversified first, in columns by the vault in one call. *Kernel* is from words to MACs, *from
columns* the whole of ``clearing.verification.bulk.right_tacs``: messages laid out, keys folded, MACs compared, the sample
computed again. One record in ten thousand is forged, and a way that does not find exactly those is not reported. Seconds are
of processor time, medians of the rounds, the ways in turn.
"""

from __future__ import annotations

import argparse
import os
import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from card_os.crypto.suites import SUITES, Algorithm
from clearing.verification.bulk import right_tacs
from clearing.verification.kernels.choice import FASTEST, PLAIN, Kernels
from clearing.verification.recheck import message_of
from clearing.verification.tac_columns import TacColumns
from hardware.vault.software import SoftwareVault
from hardware.vault.vault import KeyLabel, MasterKey

NAIVE_CALLS = 50_000
FORGED_EVERY = 10_000
NAIVE, COLD_NAIVE = "cryptography, one call each", "cold: cryptography, key and TAC of each"
TARGETS = {
    (Algorithm.TRIPLE_DES, "fast kernel"): "200 times",
    (Algorithm.TRIPLE_DES, "plain kernel"): "20 times",
    (Algorithm.SM4, "fast kernel"): "200 times",
    (Algorithm.SM4, "plain kernel"): "15 times",
    (Algorithm.TRIPLE_DES, "fast, from columns"): "15 M/s",
    (Algorithm.SM4, "fast, from columns"): "15 M/s",
}
ISSUER = bytes.fromhex("01991000FFFFFFFF")
VAULT = SoftwareVault.demonstration({KeyLabel.TAC})


@dataclass(frozen=True)
class Day:
    """``of``: purchases with right TACs but for ``forged``; ``factors``: eight bytes of each record's card."""

    of: TacColumns
    keys: Any
    factors: bytes
    forged: Any
    algorithm: Algorithm

    @property
    def master(self) -> MasterKey:
        return MasterKey(KeyLabel.TAC, algorithm=self.algorithm)


def day(algorithm: Algorithm, count: int) -> Day:
    random = np.random.default_rng(20260915)
    bits = {"amount": 10, "sam_terminal": 48, "sam_sequence": 32, "card_sequence": 16, "balance_before": 17}
    numbers = {name: random.integers(0, 2**wide, count, dtype=np.int64) for name, wide in bits.items()}
    numbers["transaction_type"] = np.full(count, 9, dtype=np.int64)
    numbers["algorithm"] = np.full(count, algorithm, dtype=np.int64)
    numbers["stamp"] = 0x20260915000000 + random.integers(0, 0x235959, count, dtype=np.int64)
    numbers["tac"] = np.zeros(count, dtype=np.int64)
    of = TacColumns(load=np.zeros(count, dtype=np.bool_), **numbers)
    factors = random.bytes(8 * count)
    made = Day(of, keys_of(factors, algorithm), factors, np.arange(FORGED_EVERY // 2, count, FORGED_EVERY), algorithm)
    suite = SUITES[algorithm]
    for row in range(count):
        of.tac[row] = int.from_bytes(suite.tac(made.keys[row].tobytes(), message_of(of, row)))
    of.tac[made.forged] ^= 1
    return made


def keys_of(factors: bytes, algorithm: Algorithm) -> Any:
    column = VAULT.child_keys(MasterKey(KeyLabel.TAC, algorithm=algorithm), [ISSUER], factors)
    return np.frombuffer(column, np.uint8).reshape(-1, 16)


def words(of: Day) -> tuple[Any, ...]:
    """What a kernel takes: key words and blocks."""
    captured: list[tuple[Any, Any]] = []

    def capture(*columns: Any) -> Any:
        captured.append((columns[0].copy(), columns[1].copy()))
        return FASTEST[of.algorithm](*columns)

    right_tacs(of.of, of.keys, {of.algorithm: capture})
    return tuple(np.concatenate(pieces, axis=1) for pieces in zip(*captured, strict=True))


def ways(of: Day) -> dict[str, tuple[Callable[[], Any], int]]:
    """Each way and how many records it does at once."""
    suite, level, count = SUITES[of.algorithm], VAULT.child_key(of.master, [ISSUER]), len(of.keys)
    calls = [
        (of.keys[row].tobytes(), message_of(of.of, row)) for row in range(NAIVE_CALLS)
    ]  # layout is not the MAC's cost
    cards = [(of.factors[8 * row : 8 * row + 8], message) for row, (_, message) in enumerate(calls)]
    columns = words(of)
    return {
        NAIVE: (lambda: [suite.tac(*call) for call in calls], NAIVE_CALLS),
        "plain kernel": (lambda: PLAIN[of.algorithm](*columns), count),
        "fast kernel": (lambda: FASTEST[of.algorithm](*columns), count),
        "plain, from columns": (lambda: right_tacs(of.of, of.keys, PLAIN), count),
        "fast, from columns": (lambda: right_tacs(of.of, of.keys, FASTEST), count),
        COLD_NAIVE: (
            lambda: [suite.tac(suite.child(level, [factor]), message) for factor, message in cards],
            NAIVE_CALLS,
        ),
        "cold: vault's column, fast": (lambda: right_tacs(of.of, keys_of(of.factors, of.algorithm), FASTEST), count),
    }


def judge(of: Day, name: str, kernels: Kernels) -> None:
    wrong = np.flatnonzero(~right_tacs(of.of, keys_of(of.factors, of.algorithm), kernels))
    if wrong.tolist() != of.forged.tolist():
        raise SystemExit(f"{name} does not find the forged records and only those; nothing is reported")


def rate(work: Callable[[], Any], count: int) -> float:
    started = time.process_time()
    work()
    return count / (time.process_time() - started)


def report(of: Day, rounds: int) -> None:
    for name, kernels in (("plain", PLAIN), ("fast", FASTEST)):
        judge(of, name, kernels)
    each = ways(of)
    measured = [{name: rate(*way) for name, way in each.items()} for _ in range(rounds)]
    rates = {name: statistics.median(one[name] for one in measured) for name in each}
    print(of.algorithm.name)
    for name, found in rates.items():
        naive = rates[COLD_NAIVE if name.startswith("cold") else NAIVE]
        wanted = TARGETS.get((of.algorithm, name))
        print(
            f"  {name:<40}{found / 1e6:8.3f} M/s {found / naive:6.0f} times" + (f"  wanted {wanted}" if wanted else "")
        )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--records", type=int, default=1 << 20)
    parser.add_argument("--rounds", type=int, default=7)
    given = parser.parse_args()
    os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})
    for algorithm in Algorithm:
        report(day(algorithm, max(given.records, NAIVE_CALLS)), given.rounds)


if __name__ == "__main__":
    main()
