"""What a window's business costs by the contracts in force: transfers, each with its trace to the fen. Pure.

A charge by the month is worked on all that the month has brought so far, and a window pays what that is more than the windows
before it paid: however a month falls into windows, it costs the same. Its minimum is made up in the first window after it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import date, timedelta

from clearing.ledger.accounts import Kind, code
from clearing.ledger.rules import Purpose, Transfer
from clearing.participants.activities import Activities, Activity
from clearing.participants.contracts import Basis, Charge, Contract, Contracts, Hold, Party, Period
from clearing.participants.trace import Trace
from rulebook.money import ZERO, Amount

NO_ACTIVITY = Activity()


@dataclass(frozen=True, slots=True, order=True)
class OpenMonth:
    """What a charge by the month has come to so far. ``month``: its first day."""

    contract: tuple[str, str, date]
    charge: str
    month: date
    activity: Activity = NO_ACTIVITY
    charged_minor: int = 0


@dataclass(frozen=True, slots=True, order=True)
class OpenHold:
    """Kept back in ``window`` of what ``party`` was to get, until ``release_on``. ``contract_version`` was in force then."""

    party: Party
    window: int
    contract_version: int
    amount_minor: int
    release_on: date


@dataclass(frozen=True, slots=True)
class Running:
    """What contracts carry from one window to the next, in order."""

    months: tuple[OpenMonth, ...] = ()
    holds: tuple[OpenHold, ...] = ()


NOTHING_RUNNING = Running()


@dataclass(frozen=True, slots=True)
class Charges:
    """``transfers`` in order of their ids; ``running`` is what the next window begins with."""

    transfers: tuple[Transfer, ...]
    running: Running


def charged(
    window: int,
    business_day: date,
    *,
    contracts: Contracts,
    activities: Activities,
    nets: Mapping[Party, int],
    accounts: Mapping[Party, str],
    running: Running = NOTHING_RUNNING,
) -> Charges:
    """``activities``: what participants did in the window. ``nets``: the net position of each before charges (fen; one who
    is not there has none). ``accounts``: the account by which each gives and gets. Raises ``LookupError`` should ``contracts``
    have lost one that a month is still open for."""
    at = _Closing(window, business_day, contracts, activities, accounts)
    months = _counted(at, running.months)
    ended = {open_ for open_ in months if _is_over(open_, at)}
    fees = [*_by_window(at), *(fee for open_ in months for fee in _by_month(open_, at, over=open_ in ended))]
    due = [hold for hold in running.holds if hold.release_on <= business_day]
    kept = _kept(at, _after(fees, nets, accounts))
    transfers = [*fees, *(_held(hold, at) for hold in kept), *(_released(hold, at) for hold in due)]
    return Charges(
        tuple(sorted(transfers, key=lambda transfer: transfer.id)),
        Running(
            tuple(sorted(_gone_on(open_, at) for open_ in months if open_ not in ended)),
            tuple(sorted([*(hold for hold in running.holds if hold not in due), *kept])),
        ),
    )


@dataclass(frozen=True, slots=True)
class _Closing:
    window: int
    day: date
    contracts: Contracts
    activities: Activities
    accounts: Mapping[Party, str]

    @property
    def month(self) -> date:
        return self.day.replace(day=1)

    def activity(self, contract: Contract, charge: Charge) -> Activity:
        if charge.basis is Basis.SETTLEMENT:
            return Activity(1)
        return self.activities.get((contract.participant, charge.basis), NO_ACTIVITY)

    def transfer(
        self, id_: str, book: str, debit: str, credit: str, amount_minor: int, purpose: Purpose, reference: str
    ) -> Transfer:
        """One of less than nothing goes the other way."""
        if amount_minor < 0:
            debit, credit = credit, debit
        return Transfer(
            id=id_,
            book=book,
            debit=debit,
            credit=credit,
            amount=Amount(abs(amount_minor)),
            purpose=purpose,
            business_day=self.day,
            reference=reference,
        )

    def fee(self, contract: Contract, charge: Charge, trace: Trace, month: date | None = None) -> Iterator[Transfer]:
        """Nothing for nothing."""
        id_ = f"charge:{self.window:06}:{contract.book}:{contract.participant}:{charge.name}"
        if month is not None:
            id_ += f":{month:%Y-%m}"
        if trace.amount_minor:
            payer, payee = (self.accounts[contract.book, name] for name in (charge.payer, charge.payee))
            yield self.transfer(id_, contract.book, payer, payee, trace.amount_minor, Purpose.FEE, str(trace))


def worked(charge: Charge, activity: Activity, *, minimum: bool = True) -> tuple[tuple[str, int], ...]:
    """(step, fen) that sum to what the charge comes to. ``minimum``: whether the period is over."""
    by_rate = Amount(activity.amount_minor).share(charge.rate, charge.rounding).minor
    by_piece = charge.each_minor * activity.count
    total = by_rate + by_piece
    bounded = max(total, charge.minimum_minor if minimum else 0)
    if charge.maximum_minor is not None:
        bounded = min(bounded, charge.maximum_minor)
    bound = "minimum" if bounded > total else "maximum"
    steps = (("rate", by_rate), ("each", by_piece), (bound, bounded - total))
    return tuple((step, minor) for step, minor in steps if minor)


def _by_window(at: _Closing) -> Iterator[Transfer]:
    for contract in at.contracts.in_force_on(at.day):
        for charge in contract.charges:
            if charge.period is Period.WINDOW:
                activity = at.activity(contract, charge)
                yield from at.fee(contract, charge, _trace(at, contract, charge, activity, worked(charge, activity)))


def _counted(at: _Closing, before: Iterable[OpenMonth]) -> list[OpenMonth]:
    """The open months with what this window adds to its own."""
    months = {(open_.contract, open_.charge, open_.month): open_ for open_ in before}
    for contract in at.contracts.in_force_on(at.day):
        for charge in contract.charges:
            if charge.period is Period.MONTH:
                key = (contract.key, charge.name, at.month)
                known = months.get(key, OpenMonth(*key))
                months[key] = replace(known, activity=known.activity + at.activity(contract, charge))
    return [months[key] for key in sorted(months)]


def _is_over(open_: OpenMonth, at: _Closing) -> bool:
    contract, _ = _terms(open_, at)
    return open_.month < at.month or not contract.in_force_on(at.day)


def _by_month(open_: OpenMonth, at: _Closing, *, over: bool) -> Iterator[Transfer]:
    contract, charge = _terms(open_, at)
    steps = worked(charge, open_.activity, minimum=over)
    before = (("charged-before", -open_.charged_minor),) if open_.charged_minor else ()
    yield from at.fee(contract, charge, _trace(at, contract, charge, open_.activity, (*steps, *before)), open_.month)


def _gone_on(open_: OpenMonth, at: _Closing) -> OpenMonth:
    _, charge = _terms(open_, at)
    return replace(open_, charged_minor=sum(minor for _, minor in worked(charge, open_.activity, minimum=False)))


def _terms(open_: OpenMonth, at: _Closing) -> tuple[Contract, Charge]:
    for contract in at.contracts.contracts:
        for charge in contract.charges:
            if (contract.key, charge.name) == (open_.contract, open_.charge):
                return contract, charge
    raise LookupError(f"{open_.charge} of {open_.month:%Y-%m} is open, and its contract {open_.contract} is not there")


def _trace(
    at: _Closing, contract: Contract, charge: Charge, activity: Activity, steps: tuple[tuple[str, int], ...]
) -> Trace:
    book, participant, effective_from = contract.key
    return Trace(at.contracts.version, book, participant, effective_from, charge.name, activity, steps)


def _after(fees: Iterable[Transfer], nets: Mapping[Party, int], accounts: Mapping[Party, str]) -> dict[Party, int]:
    """Net positions with the charges in them."""
    after = dict(nets)
    owner = {(book, account): (book, participant) for (book, participant), account in accounts.items()}
    for fee in fees:
        for account, minor in ((fee.debit, -fee.amount.minor), (fee.credit, fee.amount.minor)):
            party = owner[fee.book, account]
            after[party] = after.get(party, 0) + minor
    return after


def kept_back(hold: Hold, net: Amount) -> Amount:
    """Of what is to be paid out only."""
    return net.share(hold.rate, hold.rounding) if net > ZERO else ZERO


def _kept(at: _Closing, nets: Mapping[Party, int]) -> list[OpenHold]:
    holds = []
    for contract in at.contracts.in_force_on(at.day):
        party = (contract.book, contract.participant)
        if contract.hold is None:
            continue
        amount = kept_back(contract.hold, Amount(nets.get(party, 0)))
        if amount > ZERO:
            until = at.day + timedelta(days=contract.hold.days)
            holds.append(OpenHold(party, at.window, at.contracts.version, amount.minor, until))
    return holds


def _held(hold: OpenHold, at: _Closing) -> Transfer:
    book, participant = hold.party
    own, retention = at.accounts[hold.party], code(Kind.RETENTION, participant)
    reference = _reference(hold)
    return at.transfer(_id(hold), book, own, retention, hold.amount_minor, Purpose.RETENTION, reference)


def _released(hold: OpenHold, at: _Closing) -> Transfer:
    book, participant = hold.party
    own, retention = at.accounts[hold.party], code(Kind.RETENTION, participant)
    id_ = f"{_id(hold)}:release"
    return at.transfer(id_, book, retention, own, hold.amount_minor, Purpose.RETENTION, _reference(hold))


def _id(hold: OpenHold) -> str:
    return ":".join(("hold", f"{hold.window:06}", *hold.party))


def _reference(hold: OpenHold) -> str:
    return f"contracts v{hold.contract_version}; hold of window {hold.window} until {hold.release_on}"
