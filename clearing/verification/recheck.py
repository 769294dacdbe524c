"""A kernel's work done again by another hand: the message by the card's own functions, the MAC by ``cryptography``."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from card_os.crypto.purse import load_tac_input, purchase_tac_input
from card_os.crypto.suites import SUITES
from clearing.verification.algorithms import algorithm_of
from clearing.verification.kernels.kernel import Words
from clearing.verification.tac_columns import Flags, TacColumns

SAMPLED_EVERY = 10_000
"""Of the records a kernel finds right, one of so many is computed again; of those it finds wrong, every one."""


class KernelDisagrees(RuntimeError):
    """A kernel and ``cryptography`` make another TAC of the same record: nothing it said may be used."""


def recheck(of: TacColumns, keys: NDArray[np.uint8], made: Words, *, possible: Flags, wrong: Flags) -> None:
    """``made``: the TACs by the kernel; ``possible``: rows that have one; ``wrong``: those of them that are to be rejected.
    Raises ``KernelDisagrees``."""
    again = wrong.copy()
    again[::SAMPLED_EVERY] = possible[::SAMPLED_EVERY]
    for row in np.flatnonzero(again).tolist():
        suite = SUITES[algorithm_of(int(of.algorithm[row]))]
        tac = suite.tac(keys[row].tobytes(), message_of(of, row))
        if int.from_bytes(tac) != made[row]:
            raise KernelDisagrees(
                "the MAC kernel and cryptography judge a record differently; run benchmarks/tac.py, which compares them"
            )


def message_of(of: TacColumns, row: int) -> bytes:
    """The bytes under one record's TAC. Raises ``OverflowError`` for a value wider than its field."""
    stamp, amount = int(of.stamp[row]).to_bytes(7), int(of.amount[row])
    kind, terminal = int(of.transaction_type[row]), int(of.sam_terminal[row]).to_bytes(6)
    if of.load[row]:
        return load_tac_input(
            new_balance_minor=(int(of.balance_before[row]) + amount) & 0xFFFFFFFF,
            online_sequence=int(of.card_sequence[row]),
            amount_minor=amount,
            transaction_type=kind,
            terminal=terminal,
            date=stamp[:4],
            time=stamp[4:],
        )
    return purchase_tac_input(
        amount_minor=amount,
        transaction_type=kind,
        terminal=terminal,
        terminal_sequence=int(of.sam_sequence[row]),
        date=stamp[:4],
        time=stamp[4:],
    )
