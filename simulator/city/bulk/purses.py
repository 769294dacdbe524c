"""What every tap costs and finds on its card: fares by the tariff, balance and month's total carried from tap to tap."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from clearing.fare_checks.bulk import Repricer
from rulebook.record import Event
from rulebook.record.columns import Rows
from rulebook.record.record import TRACE_STEPS
from rulebook.tariff import PricedFare, Tariff
from simulator.city.bulk.faults import Fault
from simulator.city.bulk.rides import Taps
from simulator.city.bulk.town import Town
from simulator.city.plan import LOAD_AMOUNTS

Numbers = NDArray[np.int64]

LOADING_SHARE = 0.05
"""Of cards, on a day; each before its first tap."""

_PAID_SHARE = 0.6
_PAID_BELOW = 25_000
_BALANCE = (4_000, 20_000)
_OVERCHARGE = 100
_PRICED_AT_ONCE = 200_000
_STEP = np.dtype([("rule", ">u2"), ("amount", ">i4")])


@dataclass(frozen=True, slots=True)
class Cards:
    """As they are in the morning, one of each column for each card: fen on the purse, fen paid this month and whether file 1A
    says so, and what is loaded before the first tap (0: nothing)."""

    balance: Numbers
    paid: Numbers
    month_written: NDArray[np.bool_]
    load: Numbers

    @classmethod
    def of(cls, town: Town) -> Cards:
        random, count = np.random.default_rng([town.seed, 3]), town.extent.cards
        written = random.random(count) < _PAID_SHARE
        loads = random.random(count) < LOADING_SHARE
        amounts = np.array([amount.minor for amount in LOAD_AMOUNTS])
        return cls(
            random.integers(*_BALANCE, count),
            np.where(written, random.integers(0, _PAID_BELOW, count), 0),
            written,
            np.where(loads, amounts[random.integers(0, len(amounts), count)], 0),
        )


@dataclass(slots=True)
class Purses:
    """Of each tap: fen taken, fen on the card before it, fen paid this month before and counted by it, and its trace (an index
    into ``traces``)."""

    amount: Numbers
    balance: Numbers
    paid: Numbers
    month_written: NDArray[np.bool_]
    counted: Numbers
    trace: NDArray[np.int32]
    traces: list[bytes] = field(default_factory=lambda: [bytes(_STEP.itemsize * TRACE_STEPS)])

    @classmethod
    def empty(cls, taps: int) -> Purses:
        amount, balance, paid, counted = (np.zeros(taps, dtype=np.int64) for _ in range(4))
        return cls(amount, balance, paid, np.zeros(taps, dtype=np.bool_), counted, np.zeros(taps, dtype=np.int32))


def fill(
    purses: Purses,
    taps: Taps,
    cards: Cards,
    fault: NDArray[np.uint8],
    *,
    tariff: Tariff,
    rows: Callable[[Numbers], Rows],
) -> None:
    """Round by round: the n-th paying tap of every card at once, for it depends on the ones before it. ``rows`` gives records
    of taps as far as ``purses`` is filled."""
    repricer = Repricer({tariff.version: tariff})
    trace_numbers: dict[bytes, int] = {purses.traces[0]: 0}
    balance, paid, written = cards.balance + cards.load, cards.paid.copy(), cards.month_written.copy()
    for some in _rounds(taps.round):
        card = taps.card[some]
        purses.balance[some], purses.paid[some], purses.month_written[some] = balance[card], paid[card], written[card]
        paying = some[taps.event[some] != Event.ENTRY]
        for start in range(0, len(paying), _PRICED_AT_ONCE):
            part = paying[start : start + _PRICED_AT_ONCE]
            priced = repricer.reprice(rows(part))
            of_fare = np.array([_told(fare, trace_numbers) for fare in priced.fares], dtype=np.int64)
            purses.amount[part], purses.counted[part], purses.trace[part] = of_fare[priced.index].T
        purses.amount[paying] += np.where(fault[paying] == Fault.CHARGED_MORE, _OVERCHARGE, 0)
        balance[taps.card[paying]] -= purses.amount[paying]
        paid[taps.card[paying]] += purses.counted[paying]
        written[taps.card[paying]] |= taps.event[paying] == Event.EXIT
    purses.traces = list(trace_numbers)


def _rounds(number: Numbers) -> Iterable[Numbers]:
    order = np.argsort(number, kind="stable")
    return np.split(order, np.flatnonzero(np.diff(number[order])) + 1)


def _told(fare: object, trace_numbers: dict[bytes, int]) -> tuple[int, int, int]:
    """Total, what counts towards the month, and the trace's number."""
    assert isinstance(fare, PricedFare), fare
    steps = np.zeros(TRACE_STEPS, dtype=_STEP)
    for place, step in enumerate(fare.steps()):
        steps[place] = step.rule, step.amount_minor
    return fare.total.minor, fare.counted.minor, trace_numbers.setdefault(steps.tobytes(), len(trace_numbers))
