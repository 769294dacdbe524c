"""The card in one run, against its targets and, where it can do the same, against Debian's vicc.

    .venv/bin/python benchmarks/card.py [--apdus N] [--purchases N]

1. APDUs a second through stock pcscd: see ``apdu.py``, whose figures these are (10,000 wanted).
2. READ BINARY of a 30-byte file by SFI a second, in process on one core (20,000 wanted): our card at the reader's side, bytes
   in and out, against vicc's own card over the same kind of file, in the same process.
3. Complete purchases a second, in process on one core (2,000 wanted): INITIALIZE FOR CAPP PURCHASE, INIT SAM, two cached
   records, DEBIT, CREDIT SAM, so that the PSAM has judged MAC2; and whole taps, with SELECT, three reads and the balance before
   (eleven APDUs). vicc has no purse: no peer does the same.

Card and PSAM are personalised by commands, as the tests do it. Every answer is checked, and the balance at the end: a fast card
that is wrong is not reported. Every figure is the median of three rounds. The program fails where a target is missed.
"""

from __future__ import annotations

import argparse
import logging
import statistics
import sys
import time
from collections.abc import Callable
from typing import Any

import apdu
from kit import conftest_of

from card_os.engine import ByteCard
from card_os.profile.psam import TRANSIT_SAM
from card_os.wire import commands as cmd
from card_os.wire import identifiers as names

TARGETS = {"APDU/s through stock pcscd": 10_000, "reads/s in process": 20_000, "purchases/s in process": 2_000}
LOADED_MINOR = 90_000
TRIP = bytes(48)
READ = bytes.fromhex("00B095001E")  # vicc wants the right length


def median_rate(work: Callable[[], None], count: int) -> float:
    """``count`` over the median time of ``work``."""
    times = []
    for _ in range(apdu.ROUNDS):
        started = time.perf_counter()
        work()
        times.append(time.perf_counter() - started)
    return count / statistics.median(times)


def reads(transmit: Callable[[bytes], bytes], content: bytes, count: int) -> float:
    answer = content + b"\x90\x00"

    def work() -> None:
        for _ in range(count):
            if transmit(READ) != answer:
                raise SystemExit("READ BINARY did not answer the file")

    return median_rate(work, count)


def vicc_card(content: bytes) -> Callable[[bytes], bytes] | None:
    """vicc's card with one file; None where vicc is not installed."""
    if not apdu.VICC_MODULES.is_dir():
        return None
    sys.path.insert(0, str(apdu.VICC_MODULES))
    logging.disable()  # it tells of its default PIN
    from virtualsmartcard.CardGenerator import CardGenerator
    from virtualsmartcard.SmartcardFilesystem import TransparentStructureEF
    from virtualsmartcard.VirtualSmartcard import Iso7816OS

    master_file, sam = CardGenerator("iso7816").getCard()
    file = TransparentStructureEF(master_file, 0x15, data=content, shortfid=names.SFI_PUBLIC)
    master_file.append(file)
    execute: Callable[[bytes], bytes] = Iso7816OS(master_file, sam).execute
    return execute


def compare_reads(kit: Any, count: int) -> tuple[float, float | None]:
    """Ours and vicc's, each alone on the core."""
    card = ByteCard(kit.personalised_card()[0])
    card.transmit(cmd.select_name(names.TRANSIT_AID).encode())
    content = card.transmit(READ)[:-2]
    ours = reads(card.transmit, content, count)
    peer = vicc_card(content)
    return ours, None if peer is None else reads(peer, content, count // 10)


def purchases(kit: Any, count: int) -> tuple[float, float]:
    """Purchases alone, and whole taps."""
    card, sam = kit.Desk(kit.personalised_card()[0]), kit.Desk(kit.personalised_sam(TRANSIT_SAM))
    sam.send(cmd.select_fid(names.TRANSIT_SAM_DF))
    card.send(cmd.select_name(names.TRANSIT_AID))
    kit.load(card, LOADED_MINOR)
    before = (cmd.read_binary(0x15), cmd.read_binary(0x17), cmd.read_record(0x1A, 1), cmd.get_balance())

    def pay() -> None:
        for _ in range(count):
            kit.purchase(card, sam, 1, trip=TRIP)

    def tap() -> None:
        for _ in range(count):
            card.send(cmd.select_name(names.TRANSIT_AID))
            for command in before:
                card.send(command)
            kit.purchase(card, sam, 1, trip=TRIP)

    figures = median_rate(pay, count), median_rate(tap, count)
    left = LOADED_MINOR - 2 * apdu.ROUNDS * count
    if int.from_bytes(card.send(cmd.get_balance()), "big") != left:
        raise SystemExit("the purse does not hold what was not spent")
    return figures


def report(found: dict[str, tuple[float, str]]) -> None:
    for name, (rate, beside) in found.items():
        target = TARGETS.get(name)
        verdict = "" if target is None else f"wanted {target:,}" + ("" if rate >= target else ": MISSED")
        print(f"{name:32}{rate:10,.0f}  {'; '.join(part for part in (verdict, beside) if part)}")
    if any(rate < TARGETS.get(name, 0) for name, (rate, _) in found.items()):
        raise SystemExit("below target; is the machine quiet?")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--apdus", type=int, default=20_000, help="through pcscd and as reads, in each round")
    parser.add_argument("--purchases", type=int, default=3_000, help="in each round")
    given = parser.parse_args()
    kit = conftest_of("card_os")
    with apdu.on_one_core():
        through, theirs, _ = apdu.measure(given.apdus)
    read, peer_read = compare_reads(kit, given.apdus)
    paid, tapped = purchases(kit, given.purchases)
    against = "vicc is not installed" if peer_read is None else f"vicc {peer_read:,.0f}, {read / peer_read:,.1f} times"
    report(
        {
            "APDU/s through stock pcscd": (through, f"vicc {theirs:,.0f}, {through / theirs:,.0f} times the peer"),
            "reads/s in process": (read, against),
            "purchases/s in process": (paid, "no peer has a purse"),
            "whole taps/s in process": (tapped, "eleven APDUs each"),
        }
    )


if __name__ == "__main__":
    main()
