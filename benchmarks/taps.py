"""One tap from the card's arrival to the open gate, against the 300 ms a rider waits: card, PSAM, journal, price.

    .venv/bin/python benchmarks/taps.py [--taps N]

A bus ride, a metro entry and a metro exit at the terminals themselves: with cards in process and through a pcscd of our
own (packages pcscd and vsmartcard-vpcd), with the journal on this disk (each record durable before the next step) and in
memory. All in one run. A tap that does not open, a balance or a journal that disagrees ends the run: a fast terminal
that is wrong is not reported. What a real chip needs for its own flash and for the air comes on top.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any

from kit import conftest_of

from hardware.readers.connection import Connection
from hardware.readers.pcsc import PcscConnection
from rulebook.record import Outcome
from simulator.softcard.daemon import DaemonUnavailable, private_readers
from simulator.softcard.vpcd import VirtualReader
from terminals.dialogues.purchase import TapResult
from terminals.journal import Journal

BUDGET_MS = 300
PURSE_MINOR = 90_000
ROUNDS_OF_A_PURSE = 100  # a ride and a trip cost 6 yuan at most
WARM_UP = 10
CARD_WAIT_S = 20.0
KINDS = ("bus ride", "metro entry", "metro exit")

Timed = dict[str, list[float]]


def timed(tap: Callable[[Connection, datetime], TapResult], card: Connection, now: datetime) -> float:
    """Milliseconds."""
    started = time.perf_counter()
    result = tap(card, now)
    elapsed = time.perf_counter() - started
    if not result.gate_open:
        raise SystemExit(f"a tap ended {result.ending}, {result.refusal}")
    return elapsed * 1000


def measure(city: Any, card: Any, reader: Connection, now: datetime, rounds: int) -> Timed:
    """``card`` is held to ``reader``; a ride and a trip in each round, on the terminals of ``city``."""
    terminals = (city.bus().tap, city.gate("0101").enter, city.gate("0115").leave)
    times: Timed = {kind: [] for kind in KINDS}
    for round_ in range(WARM_UP + rounds):
        if round_ % ROUNDS_OF_A_PURSE == 0:
            card.load(PURSE_MINOR - card.balance)
        for kind, tap in zip(KINDS, terminals, strict=True):
            spent = timed(tap, reader, now)
            if round_ >= WARM_UP:
                times[kind].append(spent)
    return times


def checked(city: Any, card: Any, loaded: int) -> None:
    done = [record for record in city.records() if record.outcome is Outcome.DONE]
    if not all(card.proves(record) for record in done):
        raise SystemExit("a TAC in the journal is not the card's")
    if card.balance != loaded - sum(record.amount_minor for record in done):
        raise SystemExit("journal and balance disagree")


class Loading:
    """A test card that remembers what was loaded onto it."""

    def __init__(self, card: Any) -> None:
        self._card, self.loaded = card, 0

    def __getattr__(self, name: str) -> Any:
        return getattr(self._card, name)

    def load(self, amount_minor: int) -> None:
        self._card.load(amount_minor)
        self.loaded += amount_minor


def in_process(kit: Any, journal: Path | str, rounds: int) -> Timed:
    city = kit.City(Path(), Journal(journal), kit._sam())
    card = Loading(city.card(balance=0))
    times = measure(city, card, card.reader, kit.NOON, rounds)
    checked(city, card, card.loaded)
    return times


@contextmanager
def in_slots(pair: Any, card: Any, sam: Any) -> Iterator[tuple[Connection, Connection]]:
    with VirtualReader(pair.card.port) as card_slot, VirtualReader(pair.sam.port) as sam_slot:
        card_slot.insert(card)
        sam_slot.insert(sam)
        with (
            PcscConnection(pair.card.reader, wait_s=CARD_WAIT_S) as card_reader,
            PcscConnection(pair.sam.reader, wait_s=CARD_WAIT_S) as sam_reader,
        ):
            yield card_reader, sam_reader


def through_pcscd(kit: Any, journal: Path | str, rounds: int) -> Timed:
    """Raises ``DaemonUnavailable``."""
    sam = kit._sam()
    city = kit.City(Path(), Journal(journal), sam)
    card = Loading(city.card(balance=0))
    with private_readers() as readers, in_slots(readers.pairs[0], card.reader, sam) as (card_reader, sam_reader):
        city.sam = sam_reader
        times = measure(city, card, card_reader, kit.NOON, rounds)
    checked(city, card, card.loaded)
    return times


def shown(where: str, times: Timed) -> None:
    for kind in KINDS:
        median = statistics.median(times[kind])
        slowest = statistics.quantiles(times[kind], n=100)[98]
        print(
            f"{where:34} {kind:12} p50 {median:7.2f} ms   p99 {slowest:7.2f} ms   "
            f"{slowest / BUDGET_MS:6.1%} of {BUDGET_MS} ms at p99"
        )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--taps", type=int, default=500, help="of each kind")
    rounds = parser.parse_args().taps
    kit = conftest_of("terminals", "purchase")
    with tempfile.TemporaryDirectory(dir=Path.cwd()) as folder:
        shown("in process, journal in memory", in_process(kit, ":memory:", rounds))
        shown("in process, journal on disk", in_process(kit, Path(folder) / "a.sqlite", rounds))
        try:
            shown("through pcscd, journal on disk", through_pcscd(kit, Path(folder) / "b.sqlite", rounds))
        except DaemonUnavailable as missing:
            print(f"through pcscd: left out, {missing}")


if __name__ == "__main__":
    main()
