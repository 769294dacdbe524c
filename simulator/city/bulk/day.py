"""A day of the demonstration city in bulk, all from one seed: every tap of every card, priced by the tariff and written down as
its terminal would, with a declared share of everything that goes wrong.

``journals.write`` makes the batch files that terminals upload; what clearing knows beside them ``Town`` tells (devices, PSAMs,
cards) and ``BulkDay`` (loads, deny list). Compact columns of all taps are held in memory, records only of a few devices at
once.
"""

from __future__ import annotations

from collections import Counter
from datetime import datetime, timedelta

import numpy as np
from numpy.typing import NDArray

from clearing.facts.rules import DenyChange
from clearing.verification.context import KnownLoad, TransactionId
from rulebook.calendar import BUSINESS_ZONE
from rulebook.record import Event
from rulebook.tariff import load_tariff
from rulebook.tariff.demonstration import demonstration_document
from simulator.city.bulk.faults import Fault, Rates, drawn
from simulator.city.bulk.purses import Cards, Purses, fill
from simulator.city.bulk.records import LIST_VERSION, Fields, Loads, Recorder
from simulator.city.bulk.rides import Numbers, taps_of
from simulator.city.bulk.town import Extent, Town, card_ids
from simulator.city.places import DAY

_LOAD_EARLIER = (5 * 60, 40 * 60)
_REPORTED = datetime(DAY.year, DAY.month, DAY.day, tzinfo=BUSINESS_ZONE) - timedelta(hours=6)


class BulkDay:
    """Cards and taps of ``extent``; ``fault`` of each tap; ``denied`` are numbers of cards that were reported the evening
    before and are used all the same."""

    def __init__(self, extent: Extent, *, seed: int, rates: Rates | None = None) -> None:
        self.town, self.rates = Town(extent, seed), rates or Rates()
        self.tariff = load_tariff(demonstration_document())
        self.taps = taps_of(self.town)
        self.fault = self._faults()
        denied = round(self.rates.denied_cards * extent.cards)
        self.denied: Numbers = np.sort(self._random(6).choice(extent.cards, denied, replace=False))
        cards = Cards.of(self.town)
        self.loads = self._loads(cards)
        slips = np.zeros(len(self.town.devices), dtype=np.bool_)  # vehicles only: their fares do not ask the time
        slips[: self.town.vehicles] = self._random(7).random(self.town.vehicles) < self.rates.clocks
        self.recorder = Recorder(
            taps=self.taps,
            purses=Purses.empty(len(self.taps.card)),
            cards=cards,
            loads=self.loads,
            classes=self.town.rider_classes,
            fields=Fields.of(self.town, slips),
            tariff_version=self.tariff.version,
        )
        rows = self.recorder.taps_rows
        fill(self.recorder.purses, self.taps, cards, self.fault, tariff=self.tariff, rows=rows)

    def _random(self, purpose: int) -> np.random.Generator:
        return np.random.default_rng([self.town.seed, purpose])

    def _faults(self) -> NDArray[np.uint8]:
        event = self.taps.event
        fault = drawn(self._random(4), event == Event.RIDE, self.rates)
        fault[(fault == Fault.CHARGED_MORE) & (event == Event.ENTRY)] = Fault.RIGHT
        return fault

    def _loads(self, cards: Cards) -> Loads:
        """Only cards that ride come to a desk, and clearing loads none that is denied."""
        random, taps = self._random(5), self.taps
        cards.load[self.denied] = 0
        first = np.unique(taps.first)
        first = first[cards.load[taps.card[first]] > 0]
        stays = np.zeros(len(cards.load), dtype=np.bool_)
        stays[taps.card[first]] = True
        cards.load[~stays] = 0
        at = taps.at[first] - random.integers(*_LOAD_EARLIER, len(first))
        return Loads(taps.card[first], at, self.town.first_desk + random.integers(0, self.town.desks, len(first)))

    def declared(self) -> Counter[Fault]:
        """How many taps have which fault."""
        counts = np.bincount(self.fault, minlength=len(Fault))
        return Counter({fault: int(counts[fault]) for fault in Fault})

    def known_loads(self) -> dict[TransactionId, KnownLoad]:
        amounts = self.recorder.cards.load[self.loads.card].tolist()
        ids = (bytes(card) for card in card_ids(self.loads.card))
        return {
            TransactionId(card[:8], card[8:], 2, True, 0): KnownLoad(amount, posted=True)
            for card, amount in zip(ids, amounts, strict=True)
        }


def denials(cards: Numbers) -> list[DenyChange]:
    """Cards by number, as the deny list has had them since the evening before."""
    ids = (bytes(card) for card in card_ids(cards))
    return [DenyChange(LIST_VERSION, card[:8], card[8:], True, _REPORTED) for card in ids]
