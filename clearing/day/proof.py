"""TACs of a column of entries. Masters stay in the vault; a card's key lives while its chunk is checked."""

from __future__ import annotations

from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from card_os.crypto.purse import load_tac_input, purchase_tac_input
from card_os.crypto.suites import TRIPLE_DES
from clearing.day.schema import Columns, Flags, Numbers
from clearing.verification.tac import TAC_MASTER
from hardware.vault.vault import Vault

KEY_LENGTH = 16
PROOF = (
    *("tac", "stamp", "sam_terminal", "sam_sequence", "transaction_type"),
    *("amount", "balance_before", "card_sequence", "load"),
)
"""The columns that a TAC is checked by."""

_FACTOR = slice(10, 18)  # 0x15[12..19] inside issuer ‖ serial


Keys: TypeAlias = NDArray[np.uint8]
"""Rows of 16 bytes."""


def entry_keys(vault: Vault, entries: Columns) -> Keys:
    """The TAC key of each entry's card; every card is asked for once."""
    distinct, which = cards_of(entries)
    return card_keys(vault, distinct)[which]


def cards_of(entries: Columns) -> tuple[NDArray[np.void], Numbers]:
    """Each card of ``entries``, and which of them is each entry's. (Where two cards share a hash one may be there twice.)"""
    order = np.argsort(entries["key"], kind="stable")  # quick where they are in order
    cards = entries["card"][order]
    first = np.ones(len(order), dtype=np.bool_)
    first[1:] = cards[1:] != cards[:-1]
    which = np.empty(len(order), dtype=np.int64)
    which[order] = np.cumsum(first) - 1
    return cards[first], which


def card_keys(vault: Vault, cards: NDArray[np.void]) -> Keys:
    """The TAC key of each card: one call of the vault for each issuer."""
    octets = cards.view(np.uint8).reshape(len(cards), cards.dtype.itemsize)
    keys = np.empty((len(cards), KEY_LENGTH), dtype=np.uint8)
    issuers = np.ascontiguousarray(octets[:, :8]).view("V8").reshape(len(cards))
    for issuer in np.unique(issuers):
        rows = np.flatnonzero(issuers == issuer)
        column = vault.child_keys(TAC_MASTER, [issuer.tobytes()], octets[rows, _FACTOR].tobytes())
        keys[rows] = np.frombuffer(column, np.uint8).reshape(len(rows), KEY_LENGTH)
    return keys


def macs_right(entries: Columns, keys: Keys) -> Flags:
    """Whether the TAC of each entry is the one that its key makes over its fields."""
    fields = {name: entries[name].tolist() for name in PROOF}
    rows = (dict(zip(fields, values, strict=True)) for values in zip(*fields.values(), strict=True))
    right = [
        TRIPLE_DES.tac(key.tobytes(), _input(**row)) == tac.to_bytes(4)
        for key, row in zip(keys, rows, strict=True)
        for tac in [row.pop("tac")]
    ]
    return np.array(right, dtype=np.bool_)


def _input(
    stamp: int,
    sam_terminal: int,
    sam_sequence: int,
    transaction_type: int,
    amount: int,
    balance_before: int,
    card_sequence: int,
    load: bool,
) -> bytes:
    date_time = stamp.to_bytes(7)
    if load:
        return load_tac_input(
            new_balance_minor=(balance_before + amount) & 0xFFFFFFFF,
            online_sequence=card_sequence,
            amount_minor=amount,
            transaction_type=transaction_type,
            terminal=sam_terminal.to_bytes(6),
            date=date_time[:4],
            time=date_time[4:],
        )
    return purchase_tac_input(
        amount_minor=amount,
        transaction_type=transaction_type,
        terminal=sam_terminal.to_bytes(6),
        terminal_sequence=sam_sequence,
        date=date_time[:4],
        time=date_time[4:],
    )
