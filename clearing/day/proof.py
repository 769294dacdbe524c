"""TACs of a column of entries."""

from __future__ import annotations

import numpy as np

from card_os.crypto.purse import load_tac_input, purchase_tac_input
from card_os.crypto.suites import TRIPLE_DES
from clearing.day.schema import Columns, Flags
from clearing.verification.tac import TAC_MASTER
from hardware.vault.vault import Vault

_ISSUER, _FACTOR = slice(0, 8), slice(10, 18)
_KEY_LENGTH = 16


def tacs_right(vault: Vault, entries: Columns) -> Flags:
    """Whether the TAC of each entry is the one its card makes over the entry's fields."""
    cards = [card.tobytes() for card in entries["card"]]
    distinct = sorted(set(cards))
    keys: dict[bytes, bytes] = {}
    for issuer in sorted({card[_ISSUER] for card in distinct}):
        of_issuer = [card for card in distinct if card[_ISSUER] == issuer]
        column = bytes(vault.child_keys(TAC_MASTER, [issuer], b"".join(card[_FACTOR] for card in of_issuer)))
        keys.update((card, column[_KEY_LENGTH * row : _KEY_LENGTH * (row + 1)]) for row, card in enumerate(of_issuer))
    right = [TRIPLE_DES.tac(keys[card], _input(entries, row)) == _tac(entries, row) for row, card in enumerate(cards)]
    return np.array(right, dtype=np.bool_)


def _tac(entries: Columns, row: int) -> bytes:
    return int(entries["tac"][row]).to_bytes(4)


def _input(entries: Columns, row: int) -> bytes:
    values = {name: int(entries[name][row]) for name in _FIELDS}
    stamp = values["stamp"].to_bytes(7)
    terminal = values["sam_terminal"].to_bytes(6)
    if entries["load"][row]:
        return load_tac_input(
            new_balance_minor=(values["balance_before"] + values["amount"]) & 0xFFFFFFFF,
            online_sequence=values["card_sequence"],
            amount_minor=values["amount"],
            transaction_type=values["transaction_type"],
            terminal=terminal,
            date=stamp[:4],
            time=stamp[4:],
        )
    return purchase_tac_input(
        amount_minor=values["amount"],
        transaction_type=values["transaction_type"],
        terminal=terminal,
        terminal_sequence=values["sam_sequence"],
        date=stamp[:4],
        time=stamp[4:],
    )


_FIELDS = (
    *("stamp", "sam_terminal", "sam_sequence", "transaction_type"),
    *("amount", "balance_before", "card_sequence"),
)
