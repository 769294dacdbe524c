"""One integer for each card transaction, which sorts a bucket's rows by card, purse and counter.

From the top: 39 bits of a hash of the card, 8 of purse, 1 for loads, 16 of sequence. Two cards may share a hash: whoever
groups by counter compares the cards too. Two rows with one key that are no repeat are judged one by one, which is slower
and equal.
"""

from __future__ import annotations

from collections.abc import Collection

import numpy as np
from numpy.typing import NDArray

from clearing.day import kernel
from clearing.day.schema import BUCKET_SHIFT, BUCKETS, CARD_LENGTH, Flags, Numbers, octets
from clearing.verification.context import TransactionId


def keys_of(cards: NDArray[np.void], purse: Numbers, load: Flags, sequence: Numbers) -> Numbers:
    """``cards`` are contiguous, 18 bytes each."""
    return kernel.keys(octets(cards), *(np.require(column, np.int64, ["C", "W"]) for column in (purse, load, sequence)))


def keys_of_ids(ids: Collection[TransactionId]) -> Numbers:
    purse, sequence = (np.array([getattr(id_, name) for id_ in ids], dtype=np.int64) for name in ("purse", "sequence"))
    return keys_of(cards_of_ids(ids), purse, np.array([id_.load for id_ in ids], dtype=np.bool_), sequence)


def cards_of_ids(ids: Collection[TransactionId]) -> NDArray[np.void]:
    return np.frombuffer(b"".join(id_.issuer + id_.serial for id_ in ids), dtype=f"V{CARD_LENGTH}")


def card_hash(cards: NDArray[np.void]) -> NDArray[np.uint64]:
    """39 bits."""
    return kernel.hashes(octets(cards))


def bucket_of(keys: Numbers) -> Numbers:
    """0 to ``BUCKETS`` - 1, rising with the key."""
    bucket: Numbers = (keys >> BUCKET_SHIFT) + BUCKETS // 2
    return bucket
