"""Card transactions from before a migration: the old system has ended them, whatever still arrives of them. Pure."""

from __future__ import annotations

from collections.abc import Callable, Collection

import numpy as np

from clearing.day.counters import seen
from clearing.day.keys import bucket_of, cards_of_ids, keys_of_ids
from clearing.day.schema import Columns
from clearing.verification.context import TransactionId


def from_before(ids: Collection[TransactionId], brought: Callable[[int], Columns]) -> frozenset[TransactionId]:
    """Those of ``ids`` up to the last that the old system knew of. ``brought``: by bucket, the counters as they were migrated,
    and not as they stand today.

    Today's counters cannot say it: to them everything more than 63 late is only *too late to tell*, and cleared records have
    nothing from before."""
    listed = list(ids)
    if not listed:
        return frozenset()
    keys, cards = keys_of_ids(listed), cards_of_ids(listed)
    bucket = bucket_of(keys)
    found: set[TransactionId] = set()
    for one in np.unique(bucket).tolist():
        here = np.flatnonzero(bucket == one)
        known = here[seen(brought(one), keys[here], cards[here])]
        found |= {listed[number] for number in known.tolist()}
    return frozenset(found)
