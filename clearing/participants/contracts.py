"""What participants have agreed to pay one another: contracts with effective dates, a document checked whole when read."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from datetime import date
from enum import StrEnum, unique
from fractions import Fraction
from itertools import pairwise
from typing import Annotated, Any, TypeAlias

from pydantic import Field, model_validator

from clearing.ledger.accounts import RULES, TRANSIT, Kind, Limit, code
from clearing.participants.effective import ONE_DAY, Closed, Document, MalformedDocument, Terms, read
from rulebook.money import ZERO, Amount, Rounding
from rulebook.rate import Rate

Party: TypeAlias = tuple[str, str]
"""Book, participant."""


@unique
class Basis(StrEnum):
    """What a charge is counted on."""

    FARES = "fares"  # accepted taps of an operator or another city: number, and fen after shared rides were apportioned
    LOADS = "loads"  # confirmed loads of an agent
    REFUNDS = "refunds"  # paid out by an agent
    BILLS = "bills"  # of a utility, or of the agent that collected them
    SETTLEMENT = "settlement"  # once for each window


@unique
class Period(StrEnum):
    """Of what minimum and maximum are those, and what is rounded once."""

    WINDOW = "window"
    MONTH = "month"  # calendar month of the business day, or as much of it as the contract is in force


Fen = Annotated[int, Field(ge=0, strict=True)]


class Charge(Closed):
    """``rate`` of the amount and ``each_minor`` for each piece, together not below ``minimum_minor`` and not above
    ``maximum_minor`` a ``period``. A period without activity costs the minimum as well, and so does a month of which the
    contract has only some days. ``payer`` and ``payee`` are participants; a commission is a charge whose payee is the agent."""

    name: Annotated[str, Field(pattern=r"^[a-z][a-z0-9-]{0,39}$")]
    basis: Basis
    payer: str
    payee: str
    rate: Rate = Fraction(0)
    each_minor: Fen = 0
    minimum_minor: Fen = 0
    maximum_minor: Fen | None = None
    period: Period = Period.WINDOW
    rounding: Rounding = Rounding.HALF_UP

    @model_validator(mode="after")
    def _makes_sense(self) -> Charge:
        if self.payer == self.payee:
            raise ValueError(f"charge {self.name}: payer and payee are both {self.payer}")
        if self.maximum_minor is not None and self.maximum_minor < self.minimum_minor:
            raise ValueError(f"charge {self.name}: maximum_minor is below minimum_minor")
        return self


class Hold(Closed):
    """``rate`` of what a participant is to get of a window is kept back and released in the first window whose business day
    is ``days`` later."""

    rate: Rate
    days: Annotated[int, Field(gt=0, strict=True)]
    rounding: Rounding = Rounding.DOWN


class Contract(Terms):
    """What a participant pays and is paid in one ``book``.
    ``net_debit_cap_minor``: how far the participant's net position of a window may be below nil; None is no cap."""

    participant: str
    book: str = TRANSIT
    charges: tuple[Charge, ...] = ()
    hold: Hold | None = None
    net_debit_cap_minor: Fen | None = None

    @model_validator(mode="after")
    def _charges_have_names_of_their_own(self) -> Contract:
        names = [charge.name for charge in self.charges]
        if repeated := sorted({name for name in names if names.count(name) > 1}):
            raise ValueError(f"contract of {self.participant}: charges {', '.join(repeated)} are there more than once")
        return self

    @property
    def key(self) -> tuple[str, str, date]:
        """Which contract it is, in every version of the document."""
        return (self.book, self.participant, self.effective_from)

    @property
    def named(self) -> str:
        return f"contract of {self.participant} in {self.book} from {self.effective_from}"


class Contracts(Document):
    """All contracts of a city. Those of one participant and book never overlap."""

    contracts: tuple[Contract, ...] = ()

    @model_validator(mode="after")
    def _none_overlap(self) -> Contracts:
        faults = []
        for before, after in pairwise(sorted(self.contracts, key=lambda contract: contract.key)):
            if (before.book, before.participant) == (after.book, after.participant) and before.meets(after):
                faults.append(
                    f"contracts of {after.participant} overlap on {after.effective_from}; end the earlier one on"
                    f" {after.effective_from - ONE_DAY}"
                )
        if faults:
            raise ValueError("; ".join(faults))
        return self

    @property
    def terms(self) -> tuple[Contract, ...]:
        return self.contracts

    def of(self, participant: str, day: date, *, book: str = TRANSIT) -> Contract | None:
        """The one in force on ``day``."""
        found = (each for each in self.in_force_on(day) if (each.book, each.participant) == (book, participant))
        return next(found, None)

    def in_force_on(self, day: date) -> tuple[Contract, ...]:
        """In order of book and participant."""
        return tuple(sorted((c for c in self.contracts if c.in_force_on(day)), key=lambda contract: contract.key))


def load_contracts(
    document: Mapping[str, Any], *, accounts: Mapping[Party, str], retained: Collection[Party]
) -> Contracts:
    """``accounts``: by which account each participant gives and gets in a book; ``retained``: of whom something can be kept
    back there. Raises ``MalformedDocument`` with every fault
    found: a name that is nobody's, and an account that a closed window might overdraw, are among them."""
    contracts = read(document, Contracts)
    if faults := sorted(
        {fault for contract in contracts.contracts for fault in _faults_of(contract, accounts, retained)}
    ):
        raise MalformedDocument(faults)
    return contracts


def _faults_of(contract: Contract, accounts: Mapping[Party, str], retained: Collection[Party]) -> Iterator[str]:
    named = {contract.participant, *(name for c in contract.charges for name in (c.payer, c.payee))}
    for name in named:
        if (contract.book, name) not in accounts:
            yield f"contract of {contract.participant}: {name} is no participant with an account in book {contract.book}"
    if contract.hold and (contract.book, contract.participant) not in retained:
        wanted = code(Kind.RETENTION, contract.participant)
        yield f"contract of {contract.participant}: the keeper of {contract.book} has no account {wanted} for its hold"
    paying = {charge.payer for charge in contract.charges} | ({contract.participant} if contract.hold else set())
    for payer in paying:
        account = accounts.get((contract.book, payer))
        # Its second person's approval posts a window whole, so nothing in it may be refused for want of money.
        if account is not None and RULES[Kind(account.partition(":")[0])].limit is not Limit.NONE:
            yield (
                f"contract of {contract.participant}: {payer} would pay out of {account}, which may not be overdrawn;"
                " take it off what it is paid"
            )


def beyond_cap(contract: Contract, net: Amount) -> Amount:
    """How far a net position lies beyond the net debit cap; nil where it does not."""
    if contract.net_debit_cap_minor is None:
        return ZERO
    return max(ZERO, -net - Amount(contract.net_debit_cap_minor))
