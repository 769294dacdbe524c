"""TACs of a column of entries. Masters stay in the vault; a card's key lives while its chunk is checked."""

from __future__ import annotations

from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from card_os.crypto.suites import Algorithm
from clearing.day.keys import keys_of
from clearing.day.schema import CARD_LENGTH, Columns, Flags, Numbers
from clearing.verification.algorithms import rows_by_algorithm
from clearing.verification.bulk import KEY_LENGTH, compute_tacs, right_tacs
from clearing.verification.tac import tac_keys
from clearing.verification.tac_columns import TacColumns, tac_columns
from hardware.vault.vault import Vault
from rulebook.record.columns import Rows, octets

PROOF = TacColumns._fields
"""The columns that a TAC is checked by."""

_FACTOR = slice(10, 18)  # 0x15[12..19] inside issuer ‖ serial


Keys: TypeAlias = NDArray[np.uint8]
"""Rows of 16 bytes; zeros where the vault holds no master of the algorithm (``tac.tac_keys``)."""


def entry_keys(vault: Vault, entries: Columns) -> Keys:
    """The TAC key of each entry's card; every card is asked for once."""
    keys: Keys = np.zeros((len(entries["key"]), KEY_LENGTH), dtype=np.uint8)
    for algorithm, rows in rows_by_algorithm(entries["algorithm"]):
        distinct, which = cards_of({name: entries[name][rows] for name in ("key", "card")})
        of_cards = card_keys(vault, distinct, algorithm)
        of_entries = of_cards[which]
        keys[rows] = of_entries
        of_cards[:] = of_entries[:] = 0
    return keys


def cards_of(entries: Columns) -> tuple[NDArray[np.void], Numbers]:
    """Each card of ``entries``, and which of them is each entry's. (Where two cards share a hash one may be there twice.)"""
    order = np.argsort(entries["key"], kind="stable")  # quick where they are in order
    cards = entries["card"][order]
    first = np.ones(len(order), dtype=np.bool_)
    first[1:] = cards[1:] != cards[:-1]
    which = np.empty(len(order), dtype=np.int64)
    which[order] = np.cumsum(first) - 1
    return cards[first], which


def card_keys(vault: Vault, cards: NDArray[np.void], algorithm: Algorithm) -> Keys:
    """The TAC key of each card: one call of the vault for each issuer."""
    octets = cards.view(np.uint8).reshape(len(cards), cards.dtype.itemsize)
    keys: Keys = np.zeros((len(cards), KEY_LENGTH), dtype=np.uint8)
    issuers = np.ascontiguousarray(octets[:, :8]).view("V8").reshape(len(cards))
    for issuer in np.unique(issuers):
        rows = np.flatnonzero(issuers == issuer)
        column = tac_keys(vault, algorithm, issuer.tobytes(), octets[rows, _FACTOR].tobytes())
        if column is not None:
            keys[rows] = np.frombuffer(column, np.uint8).reshape(len(rows), KEY_LENGTH)
    return keys


def macs_right(entries: Columns, keys: Keys) -> Flags:
    """Whether the TAC of each entry is the one that its key makes over its fields. ``keys`` are overwritten."""
    try:
        return right_tacs(TacColumns(**{name: entries[name] for name in PROOF}), keys)
    finally:
        keys[:] = 0


def made_tacs(vault: Vault, rows: Rows) -> NDArray[np.uint32]:
    """The TACs that the cards make over the fields of ``rows``, for days that are made up. Raises ``ValueError`` where the
    vault holds no master of the algorithm."""
    columns = tac_columns(rows)
    card = np.ascontiguousarray(np.concatenate([octets(rows, "issuer"), octets(rows, "serial")], axis=1))
    cards = card.view(f"V{CARD_LENGTH}").reshape(len(rows))
    order = keys_of(cards, rows["purse"], columns.load, columns.card_sequence)
    keys = entry_keys(vault, {"key": order, "card": cards, "algorithm": columns.algorithm})
    try:
        return compute_tacs(columns, keys).astype(np.uint32)
    finally:
        keys[:] = 0
