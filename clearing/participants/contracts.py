"""What participants have agreed to pay one another: contracts with effective dates. Pure; the trace explains every fen."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from enum import StrEnum, unique
from fractions import Fraction
from itertools import pairwise
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from rulebook.money import ZERO, Amount, Rounding
from rulebook.rate import Rate

_ONE_DAY = timedelta(days=1)


class MalformedContracts(ValueError):
    """The document holds no contracts; ``faults`` lists everything that is wrong with it."""

    def __init__(self, faults: list[str]) -> None:
        super().__init__("; ".join(faults))
        self.faults = tuple(faults)


@unique
class Basis(StrEnum):
    """What a charge is counted on."""

    FARES = "fares"  # accepted taps of an operator: number and fen
    LOADS = "loads"  # confirmed loads of an agent
    REFUNDS = "refunds"  # paid out by an agent
    SETTLEMENT = "settlement"  # once for each window


@dataclass(frozen=True, slots=True)
class Activity:
    """What a participant did in a window on one basis."""

    count: int = 0
    amount: Amount = ZERO


Fen = Annotated[int, Field(ge=0, strict=True)]


class _Closed(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Charge(_Closed):
    """``rate`` of the amount and ``each_minor`` for each piece, together not below ``minimum_minor`` and not above
    ``maximum_minor`` a window. A window without activity costs the minimum as well. ``payer`` and ``payee`` are participants;
    a commission is a charge whose payee is the agent."""

    name: str
    basis: Basis
    payer: str
    payee: str
    rate: Rate = Fraction(0)
    each_minor: Fen = 0
    minimum_minor: Fen = 0
    maximum_minor: Fen | None = None
    rounding: Rounding = Rounding.HALF_UP

    @model_validator(mode="after")
    def _makes_sense(self) -> Charge:
        if self.payer == self.payee:
            raise ValueError(f"charge {self.name}: payer and payee are both {self.payer}")
        if self.maximum_minor is not None and self.maximum_minor < self.minimum_minor:
            raise ValueError(f"charge {self.name}: maximum_minor is below minimum_minor")
        return self


class Hold(_Closed):
    """``rate`` of what a participant is to get is kept back and released after ``days``."""

    rate: Rate
    days: Annotated[int, Field(gt=0, strict=True)]
    rounding: Rounding = Rounding.DOWN


class Contract(_Closed):
    """In force on ``effective_from`` and every day to ``effective_to`` (included; None: until terminated).
    ``net_debit_cap_minor``: how far the participant's net position of a window may be below nil; None is no cap."""

    participant: str
    effective_from: date
    effective_to: date | None = None
    charges: tuple[Charge, ...] = ()
    hold: Hold | None = None
    net_debit_cap_minor: Fen | None = None

    @model_validator(mode="after")
    def _begins_before_it_ends(self) -> Contract:
        if self.effective_to is not None and self.effective_to < self.effective_from:
            raise ValueError(f"contract of {self.participant}: effective_to lies before effective_from")
        names = [charge.name for charge in self.charges]
        if repeated := sorted({name for name in names if names.count(name) > 1}):
            raise ValueError(f"contract of {self.participant}: charges {', '.join(repeated)} are there more than once")
        return self

    def in_force_on(self, day: date) -> bool:
        return self.effective_from <= day and (self.effective_to is None or day <= self.effective_to)


class Contracts(_Closed):
    """All contracts of a city. Those of one participant never overlap."""

    contracts: tuple[Contract, ...] = ()

    @model_validator(mode="after")
    def _none_overlap(self) -> Contracts:
        faults = []
        ordered = sorted(self.contracts, key=lambda contract: (contract.participant, contract.effective_from))
        for before, after in pairwise(ordered):
            end = before.effective_to or date.max
            if before.participant == after.participant and after.effective_from <= end:
                faults.append(
                    f"contracts of {after.participant} overlap on {after.effective_from}; end the earlier one on"
                    f" {after.effective_from - _ONE_DAY}"
                )
        if faults:
            raise ValueError("; ".join(faults))
        return self

    def of(self, participant: str, day: date) -> Contract | None:
        """The one in force on ``day``."""
        found = (each for each in self.contracts if each.participant == participant and each.in_force_on(day))
        return next(found, None)


def load_contracts(document: Mapping[str, Any], *, participants: Iterable[str]) -> Contracts:
    """Raises ``MalformedContracts`` with every fault found, a name that is nobody's among them."""
    try:
        contracts = Contracts.model_validate(dict(document))
    except ValidationError as error:
        raise MalformedContracts(
            [f"{'.'.join(map(str, fault['loc'])) or 'document'}: {fault['msg']}" for fault in error.errors()]
        ) from error
    known = set(participants)
    named = {
        name
        for contract in contracts.contracts
        for name in (contract.participant, *(n for c in contract.charges for n in (c.payer, c.payee)))
    }
    if strangers := sorted(named - known):
        raise MalformedContracts([f"contracts: {name} is no participant" for name in strangers])
    return contracts


@dataclass(frozen=True, slots=True)
class Charged:
    """What one charge of a contract came to. ``steps`` explain it: (what, fen) that sum to ``amount``."""

    contract: str
    charge: Charge
    activity: Activity
    amount: Amount
    steps: tuple[tuple[str, int], ...]


def charged(contract: Contract, activity: Mapping[Basis, Activity]) -> tuple[Charged, ...]:
    """The charges of a window, in the contract's order; one that comes to nothing is left out."""
    every = (_charged(contract, charge, activity.get(charge.basis, Activity())) for charge in contract.charges)
    return tuple(one for one in every if one.amount > ZERO)


def _charged(contract: Contract, charge: Charge, activity: Activity) -> Charged:
    if charge.basis is Basis.SETTLEMENT:
        activity = Activity(1, ZERO)
    by_rate = activity.amount.share(charge.rate, charge.rounding).minor
    by_piece = charge.each_minor * activity.count
    steps = [("rate", by_rate), ("each", by_piece)]
    total = by_rate + by_piece
    bounded = max(total, charge.minimum_minor)
    if charge.maximum_minor is not None:
        bounded = min(bounded, charge.maximum_minor)
    steps.append(("minimum" if bounded > total else "maximum", bounded - total))
    shown = tuple((what, minor) for what, minor in steps if minor)
    return Charged(contract.participant, charge, activity, Amount(bounded), shown)


@dataclass(frozen=True, slots=True)
class Held:
    """Kept back of what a participant gets, until ``release_on``."""

    amount: Amount
    release_on: date


def held(contract: Contract, net: Amount, day: date) -> Held | None:
    """What of a net position (above zero: to be paid out) is kept back on ``day``."""
    if contract.hold is None or net <= ZERO:
        return None
    kept = net.share(contract.hold.rate, contract.hold.rounding)
    return Held(kept, day + timedelta(days=contract.hold.days)) if kept > ZERO else None


def beyond_cap(contract: Contract, net: Amount) -> Amount:
    """How far a net position lies beyond the net debit cap; nil where it does not."""
    if contract.net_debit_cap_minor is None:
        return ZERO
    return max(ZERO, -net - Amount(contract.net_debit_cap_minor))
