"""APDUs per second through stock pcscd: our software card against Debian's vicc, in one run.

    .venv/bin/python benchmarks/apdu.py [--apdus N]

Needs the Debian packages pcscd, vsmartcard-vpcd and vsmartcard-vpicc and the extra ``pcsc``. pcscd runs on Debian's own
configuration: our card is in its first slot, vicc (type iso7816) in the second, and both are asked for challenges by the
same client (SELECT with its answer makes vicc 3.3 crash). vicc is started with PYTHONPATH set to the folder of its modules
and with this Python, which has pycryptodome. A command that is not answered 9000 ends the run: a fast card that is wrong is
not reported. Every figure is the median of three rounds, the cards in turn. The last line has no reader at all.

Client, pcscd and cards run on one core, as the children inherit it: an APDU is handed on four times and nothing runs
beside it, so a second core only adds the time to wake it (13,000 APDU/s over two virtual cores, 34,000 on one of them).
``--any-core`` leaves it to the kernel.
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path

from card_os.engine import ByteCard, blank_card
from hardware.readers.connection import Connection
from hardware.readers.pcsc import PcscConnection
from simulator.softcard.daemon import VirtualSlot, stock_readers
from simulator.softcard.memory import CardMemory
from simulator.softcard.vpcd import VirtualReader

VICC = "/usr/bin/vicc"
VICC_MODULES = Path("/usr/lib/python3/site-packages/virtualsmartcard")
CARD_WAIT_S = 20.0
ROUNDS = 3
PEER_SHARE = 250  # the peer needs tens of milliseconds for each APDU
WARM_UP = 20

GET_CHALLENGE = bytes.fromhex("0084000008")


def our_card() -> ByteCard:
    """A blank one: GET CHALLENGE is the same on every card. Random from the operating system."""
    return ByteCard(blank_card(CardMemory(), b"BENCHMRK", b"TEST-transport00", os.urandom))


@contextmanager
def vicc(slot: VirtualSlot) -> Iterator[None]:
    command = [sys.executable, VICC, "--type", "iso7816", "--hostname", "127.0.0.1", "--port", str(slot.port)]
    environment = {**os.environ, "PYTHONPATH": str(VICC_MODULES)}
    process = subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        yield
    finally:
        process.kill()
        process.wait()


def per_second(card: Connection, count: int) -> float:
    for _ in range(min(WARM_UP, count)):
        card.transmit(GET_CHALLENGE)
    started = time.perf_counter()
    for _ in range(count):
        answer = card.transmit(GET_CHALLENGE)
        if len(answer) != 10 or not answer.endswith(b"\x90\x00"):
            raise SystemExit(f"GET CHALLENGE answered {answer.hex().upper()}")
    return count / (time.perf_counter() - started)


def compare(ours: Connection, peer: Connection, inside: Connection, count: int) -> tuple[float, ...]:
    """Medians: ours and the peer through pcscd, ours in process."""
    rounds = [
        (per_second(ours, count), per_second(peer, count // PEER_SHARE), per_second(inside, count))
        for _ in range(ROUNDS)
    ]
    return tuple(statistics.median(figures) for figures in zip(*rounds, strict=True))


@contextmanager
def on_one_core() -> Iterator[None]:
    """For this process and what it starts."""
    allowed = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {max(allowed)})
    try:
        yield
    finally:
        os.sched_setaffinity(0, allowed)


def measure(count: int) -> tuple[float, ...]:
    """``compare`` over a stock pcscd started for it."""
    with stock_readers() as readers, VirtualReader(readers.pairs[0].card.port) as reader:
        slots = readers.pairs[0]
        reader.insert(our_card())
        with (
            vicc(slots.sam),
            PcscConnection(slots.card.reader, wait_s=CARD_WAIT_S) as ours,
            PcscConnection(slots.sam.reader, wait_s=CARD_WAIT_S) as peer,
        ):
            return compare(ours, peer, our_card(), count)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "--apdus", type=int, default=20_000, help=f"to our card in each round; the peer gets 1/{PEER_SHARE}"
    )
    parser.add_argument("--any-core", action="store_true", help="do not keep client, pcscd and card on one core")
    given = parser.parse_args()
    with nullcontext() if given.any_core else on_one_core():
        through, theirs, inside = measure(given.apdus)
    print(f"our card through stock pcscd  {through:10,.0f} APDU/s")
    print(f"Debian's vicc, the same way   {theirs:10,.0f} APDU/s, ours is {through / theirs:,.0f} times the peer")
    print(f"our card in process           {inside:10,.0f} APDU/s")


if __name__ == "__main__":
    main()
