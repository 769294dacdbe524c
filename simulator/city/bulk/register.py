"""The bulk town's card register as clearing reads it: by bucket, with nothing that came before its day."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import date

import numpy as np
import pyarrow as pa

from clearing.day.counters import COUNTER
from clearing.day.keys import bucket_of, keys_of
from clearing.day.model import CARDS
from clearing.day.schema import Columns, arrow_column, stacked
from clearing.verification.context import KnownCard, Settled, TransactionId
from rulebook.tariff import RiderClass
from simulator.city.bulk.town import Town

# Ours: every card of the town is valid on its day.
VALID = date(2020, 1, 1), date(2040, 12, 31)
_CLASSES = tuple(RiderClass)


class Register:
    """``Register`` and ``History`` of ``clearing.day.model`` in one: cards, no counters, nothing settled."""

    def __init__(self, town: Town) -> None:
        self._ids, self._classes = town.card_ids(), town.rider_classes
        nothing = np.zeros(len(self._ids), dtype=np.int64)
        self._bucket = bucket_of(keys_of(self._ids, nothing, nothing != 0, nothing))

    def cards(self, bucket: int) -> pa.Table:
        which = np.flatnonzero(self._bucket == bucket)
        classes = pa.array([rider.value for rider in _CLASSES]).take(pa.array(self._classes[which].astype(np.int32)))
        same = [
            pa.array(np.full(len(which), (day - date(1970, 1, 1)).days, dtype=np.int32))  # as CARDS counts
            for day in VALID
        ]
        versions = pa.array(np.ones(len(which), dtype=np.int16))
        return pa.table([arrow_column(self._ids[which]), versions, classes, *same], schema=CARDS)

    def counters(self, _bucket: int) -> Columns:
        return stacked([], COUNTER)

    def settled(self, _ids: Iterable[TransactionId]) -> Mapping[TransactionId, Settled]:
        return {}

    def known(self) -> dict[tuple[bytes, bytes], KnownCard]:
        """The same cards for judging one by one, by issuer and serial."""
        ids = (card.tobytes() for card in self._ids)
        return {
            (card[:8], card[8:]): KnownCard(1, _CLASSES[rider], *VALID)
            for card, rider in zip(ids, self._classes, strict=True)
        }
