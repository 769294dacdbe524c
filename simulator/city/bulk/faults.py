"""What goes wrong in the bulk city, each at a declared rate, so that a benchmark can count what clearing must find."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum, unique

import numpy as np
from numpy.typing import NDArray

from rulebook.record import Kind, Outcome


@unique
class Fault(IntEnum):
    """Of one tap. RIGHT is most of them."""

    RIGHT = 0
    TAC_WRONG = 1  # two bits of it turned
    CHARGED_MORE = 2  # one yuan too much, under a right TAC
    REPEATED = 3  # the journal has the tap twice
    TORN_PROVEN = 4  # the card left over DEBIT; at the next touch it proved that it had paid
    TORN_OPEN = 5  # it left, had paid, and never came back to this terminal
    TORN_VOID = 6  # it left and had not paid; then it did


@dataclass(frozen=True, slots=True)
class Rates:
    """Shares: of all taps, of bus taps, of cards, of vehicles, of batches."""

    tac_wrong: float = 0.0005
    charged_more: float = 0.0005
    repeated: float = 0.0005
    torn: float = 0.01
    denied_cards: float = 0.0005
    clocks: float = 0.01
    lost_batches: float = 0.0005
    batches_twice: float = 0.001


Form = tuple[Kind, Outcome, int, bool]
"""One record of a tap: kind, outcome, how many records before itself it refers to, whether it has the TAC."""

_I: Form = (Kind.INTENT, Outcome.NONE, 0, False)
_DONE: Form = (Kind.OUTCOME, Outcome.DONE, 1, True)
_GONE: Form = (Kind.OUTCOME, Outcome.UNKNOWN, 1, False)

FORMS: dict[Fault, tuple[Form, ...]] = {
    Fault.RIGHT: (_I, _DONE),
    Fault.TAC_WRONG: (_I, _DONE),
    Fault.CHARGED_MORE: (_I, _DONE),
    Fault.REPEATED: (_I, _DONE, _I, _DONE),
    Fault.TORN_PROVEN: (_I, _GONE, (Kind.FINDING, Outcome.DONE, 2, True)),
    Fault.TORN_OPEN: (_I, _GONE),
    Fault.TORN_VOID: (_I, _GONE, (Kind.OUTCOME, Outcome.VOID, 2, False), _I, _DONE),
}
"""What the journal has of a tap, record by record."""

RECORDS = np.array([len(FORMS[fault]) for fault in Fault])
"""How many."""

_TORN = (Fault.TORN_PROVEN, Fault.TORN_OPEN, Fault.TORN_VOID)


def drawn(random: np.random.Generator, bus: NDArray[np.bool_], rates: Rates) -> NDArray[np.uint8]:
    """The fault of each tap; only on a bus a card is torn, for whoever is torn at a gate tries again until it opens."""
    shares = {Fault.TAC_WRONG: rates.tac_wrong, Fault.CHARGED_MORE: rates.charged_more, Fault.REPEATED: rates.repeated}
    shares |= dict.fromkeys(_TORN, rates.torn / len(_TORN))
    edges = np.cumsum(list(shares.values()))
    codes = np.array([*shares, Fault.RIGHT], dtype=np.uint8)
    found = codes[np.searchsorted(edges, random.random(len(bus)), side="right")]
    found[(found >= Fault.TORN_PROVEN) & ~bus] = Fault.RIGHT
    return found
