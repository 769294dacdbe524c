"""Whole taps a second in process on one core: card and PSAM, eleven APDUs each, 3DES.

    .venv/bin/python benchmarks/card_taps.py [--taps N]

The card and the PSAM are personalised by commands, as the tests do it. The last balance is checked: a fast purse that is
wrong is not reported.
"""

from __future__ import annotations

import argparse
import time

from kit import conftest_of

from card_os.profile.psam import TRANSIT_SAM
from card_os.wire import commands as cmd
from card_os.wire import identifiers as names

APDUS = 11
LOADED_MINOR = 90_000


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--taps", type=int, default=5000)
    taps = parser.parse_args().taps
    kit = conftest_of("card_os")
    card, sam = kit.Desk(kit.personalised_card()[0]), kit.Desk(kit.personalised_sam(TRANSIT_SAM))
    sam.send(cmd.select_fid(names.TRANSIT_SAM_DF))
    card.send(cmd.select_name(names.TRANSIT_AID))
    kit.load(card, LOADED_MINOR)
    reads = (cmd.read_binary(0x15), cmd.read_binary(0x17), cmd.read_record(0x1A, 1), cmd.get_balance())
    started = time.perf_counter()
    for _ in range(taps):
        card.send(cmd.select_name(names.TRANSIT_AID))
        for read in reads:
            card.send(read)
        kit.purchase(card, sam, 1, trip=bytes(48))
    elapsed = time.perf_counter() - started
    assert int.from_bytes(card.send(cmd.get_balance()), "big") == LOADED_MINOR - taps
    print(f"{taps / elapsed:,.0f} taps/s, {elapsed / taps / APDUS * 1e6:.1f} µs an APDU")


if __name__ == "__main__":
    main()
