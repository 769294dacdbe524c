"""One integer for each card transaction, which sorts a bucket's rows by card, purse and counter.

From the top: 39 bits of a hash of the card, 8 of purse, 1 for loads, 16 of sequence. Two cards may share a hash: whoever
groups by counter compares the cards too. Two rows with one key that are no repeat are judged one by one, which is slower
and equal.
"""

from __future__ import annotations

from collections.abc import Collection

import numpy as np
from numpy.typing import NDArray

from clearing.day.schema import BUCKET_SHIFT, BUCKETS, CARD_LENGTH, COUNTER_SHIFT, Flags, Numbers
from clearing.verification.context import TransactionId

_HASH_BITS = 39
_GOLDEN = np.uint64(0x9E3779B97F4A7C15)
_MIX = (np.uint64(0xBF58476D1CE4E5B9), np.uint64(0x94D049BB133111EB))  # SplitMix64's
_PARTS = np.dtype([("issuer", ">u8"), ("serial_high", ">u2"), ("serial_low", ">u8")])


def keys_of(cards: NDArray[np.void], purse: Numbers, load: Flags, sequence: Numbers) -> Numbers:
    """``cards`` are contiguous, 18 bytes each."""
    counter = (card_hash(cards) << np.uint64(9)) | (purse.astype(np.uint64) << np.uint64(1)) | load.astype(np.uint64)
    key: Numbers = ((counter << np.uint64(COUNTER_SHIFT)) | sequence.astype(np.uint64)).view(np.int64)
    return key


def keys_of_ids(ids: Collection[TransactionId]) -> Numbers:
    purse, sequence = (np.array([getattr(id_, name) for id_ in ids], dtype=np.int64) for name in ("purse", "sequence"))
    return keys_of(cards_of_ids(ids), purse, np.array([id_.load for id_ in ids], dtype=np.bool_), sequence)


def cards_of_ids(ids: Collection[TransactionId]) -> NDArray[np.void]:
    return np.frombuffer(b"".join(id_.issuer + id_.serial for id_ in ids), dtype=f"V{CARD_LENGTH}")


def card_hash(cards: NDArray[np.void]) -> NDArray[np.uint64]:
    """39 bits."""
    parts = cards.view(_PARTS)
    mixed = _mixed(parts["serial_high"].astype(np.uint64) + _GOLDEN)
    mixed = _mixed(parts["serial_low"].astype(np.uint64) ^ mixed)
    mixed = _mixed(parts["issuer"].astype(np.uint64) ^ mixed)
    return mixed >> np.uint64(64 - _HASH_BITS)


def bucket_of(keys: Numbers) -> Numbers:
    """0 to ``BUCKETS`` - 1, rising with the key."""
    bucket: Numbers = (keys >> BUCKET_SHIFT) + BUCKETS // 2
    return bucket


def _mixed(value: NDArray[np.uint64]) -> NDArray[np.uint64]:
    value = (value ^ (value >> np.uint64(30))) * _MIX[0]
    value = (value ^ (value >> np.uint64(27))) * _MIX[1]
    return value ^ (value >> np.uint64(31))
