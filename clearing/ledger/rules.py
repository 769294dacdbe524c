"""What the ledger accepts. Pure: a transfer and what is known of its accounts in, posted or refused out.

A transfer debits one account and credits one, amount above zero, so the books cannot be out of balance. It is never
changed: a PENDING one is posted, voided or expired by a transfer of its own that names it, and a mistake is corrected by a
new one. The id comes from the originator; the same id with equal content is a repeat and changes nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import date
from enum import StrEnum, unique
from operator import add
from typing import NamedTuple, TypeAlias

from clearing.ledger.accounts import RULES, Account, Kind, Limit, Side
from rulebook.money import Amount, Currency


@unique
class Phase(StrEnum):
    SINGLE = "single"  # moves at once
    PENDING = "pending"  # reserves
    POST = "post"  # moves what a pending one reserved, whole
    VOID = "void"  # gives it back, whole
    EXPIRE = "expire"  # gives it back, whole, because nobody asked for it in its time


@unique
class Purpose(StrEnum):
    """What a transfer is for."""

    OPENING = "opening"  # a declared opening balance
    PREFUNDING = "prefunding"  # an agent or a fund pays in
    LOAD = "load"
    FARE = "fare"  # value on cards → operator
    FOREIGN_FARE = "foreign-fare"  # other city → operator: its card rode here, and it has confirmed that
    FARE_ELSEWHERE = "fare-elsewhere"  # value on cards → other city: our card rode there
    SUBSIDY = "subsidy"  # fund → operator: a discount somebody else bears
    HELD = "held"  # value on cards → open taps
    RELEASE = "release"  # open taps → operator, or back
    REFUND = "refund"
    DEPOSIT = "deposit"
    FEE = "fee"
    CONTRIBUTION = "contribution"  # into a fund pool or a personal account
    BENEFIT = "benefit"  # fund pool → hospital
    PERSONAL = "personal"  # personal account → hospital
    BILL = "bill"  # whoever collected it → utility
    REVERSAL = "reversal"  # a visit or fare taken back
    APPORTIONMENT = "apportionment"  # operator → operator: its part of shared rides
    RETENTION = "retention"  # kept back of what a participant is to get, or given back
    SETTLEMENT = "settlement"  # paid by or to a participant through the bank
    ADJUSTMENT = "adjustment"


@dataclass(frozen=True, slots=True, kw_only=True)
class Transfer:
    """``id`` is the originator's, unique in the whole ledger. ``debit`` and ``credit`` are account codes of ``book``.
    ``business_day`` is computed from the originating record. ``pending_id`` names the pending transfer that a POST, VOID or
    EXPIRE settles (same accounts and amount). ``reference`` names the thing in the world: a record, a visit, a case.
    ``expires_on``, of a pending one: no card can execute what it reserves, and from that business day on it may be given back.
    What a card may have executed, as a load, has none and never expires."""

    id: str
    book: str
    debit: str
    credit: str
    amount: Amount
    purpose: Purpose
    business_day: date
    phase: Phase = Phase.SINGLE
    pending_id: str = ""
    reference: str = ""
    expires_on: date | None = None


def settling(pending: Transfer, phase: Phase, *, id: str, business_day: date) -> Transfer:  # noqa: A002 - its name
    """The transfer that posts, voids or expires ``pending``."""
    return replace(pending, id=id, business_day=business_day, phase=phase, pending_id=pending.id, expires_on=None)


@unique
class Refusal(StrEnum):
    """Why a transfer is refused, in order of precedence. ``may_retry``: the same transfer may be accepted later."""

    ID_MUST_BE_GIVEN = "id_must_be_given"
    AMOUNT_MUST_BE_ABOVE_ZERO = "amount_must_be_above_zero"
    ACCOUNTS_MUST_BE_DIFFERENT = "accounts_must_be_different"
    PENDING_ID_MUST_BE_GIVEN = "pending_id_must_be_given"  # POST, VOID and EXPIRE name what they settle
    PENDING_ID_MUST_BE_EMPTY = "pending_id_must_be_empty"  # SINGLE and PENDING settle nothing
    EXPIRES_ON_MUST_BE_EMPTY = "expires_on_must_be_empty"  # only what is reserved can expire
    REPEATED_WITH_OTHER_CONTENT = "repeated_with_other_content"  # the id is taken by a different transfer
    DEBIT_ACCOUNT_NOT_FOUND = "debit_account_not_found"
    CREDIT_ACCOUNT_NOT_FOUND = "credit_account_not_found"
    CURRENCIES_MUST_BE_EQUAL = "currencies_must_be_equal"  # of amount and both accounts
    PENDING_TRANSFER_NOT_FOUND = "pending_transfer_not_found"
    PENDING_TRANSFER_IS_NOT_PENDING = "pending_transfer_is_not_pending"
    PENDING_TRANSFER_HAS_OTHER_CONTENT = "pending_transfer_has_other_content"  # book, accounts or amount differ
    PENDING_TRANSFER_NEVER_EXPIRES = "pending_transfer_never_expires"  # a card may have executed it
    PENDING_TRANSFER_ALREADY_POSTED = "pending_transfer_already_posted"
    PENDING_TRANSFER_ALREADY_VOIDED = "pending_transfer_already_voided"
    PENDING_TRANSFER_ALREADY_EXPIRED = "pending_transfer_already_expired"
    PENDING_TRANSFER_NOT_YET_EXPIRED = "pending_transfer_not_yet_expired"
    DEBIT_ACCOUNT_WOULD_BE_OVERDRAWN = "debit_account_would_be_overdrawn"
    CREDIT_ACCOUNT_WOULD_BE_OVERDRAWN = "credit_account_would_be_overdrawn"

    @property
    def may_retry(self) -> bool:
        return self in _MAY_RETRY


_MAY_RETRY = frozenset(
    {
        Refusal.DEBIT_ACCOUNT_NOT_FOUND,
        Refusal.CREDIT_ACCOUNT_NOT_FOUND,
        Refusal.PENDING_TRANSFER_NOT_FOUND,
        Refusal.PENDING_TRANSFER_NOT_YET_EXPIRED,
        Refusal.DEBIT_ACCOUNT_WOULD_BE_OVERDRAWN,
        Refusal.CREDIT_ACCOUNT_WOULD_BE_OVERDRAWN,
    }
)


class Counters(NamedTuple):
    """Sums of an account's transfers in minor units; none is ever negative."""

    debits_posted: int = 0
    credits_posted: int = 0
    debits_pending: int = 0
    credits_pending: int = 0


NOTHING_MOVED = Counters()


def balance_of(kind: Kind, counters: Counters, currency: Currency) -> Amount:
    """What has been posted to accounts of ``kind``, positive on the side where they grow."""
    net = counters.debits_posted - counters.credits_posted
    return Amount(net if RULES[kind].side is Side.DEBIT else -net, currency)


@dataclass(frozen=True, slots=True)
class Standing:
    """An account with its counters."""

    account: Account
    counters: Counters = NOTHING_MOVED

    @property
    def balance(self) -> Amount:
        """What has been posted, positive on the side where the account grows."""
        return balance_of(self.account.kind, self.counters, self.account.currency)

    @property
    def headroom_minor(self) -> int | None:
        """How much more may be moved against the account's limit; None where it has none."""
        c, extra = self.counters, self.account.limit_minor
        return {
            Limit.NONE: None,
            Limit.DEBITS_MUST_NOT_EXCEED_CREDITS: c.credits_posted + extra - c.debits_posted - c.debits_pending,
            Limit.CREDITS_MUST_NOT_EXCEED_DEBITS: c.debits_posted + extra - c.credits_posted - c.credits_pending,
        }[self.account.rule.limit]


@dataclass(frozen=True, slots=True)
class Accounts:
    """What must be known to decide: the accounts by (book, code), the transfers stored under the ids at hand or named
    as pending, and how pending ones were settled."""

    standings: Mapping[tuple[str, str], Standing]
    transfers: Mapping[str, Transfer] = field(default_factory=dict)
    settled: Mapping[str, Phase] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Posted:
    """``repeated``: it was there before, with equal content; nothing is to be done."""

    transfer: Transfer
    repeated: bool = False


@dataclass(frozen=True, slots=True)
class Refused:
    transfer: Transfer
    reason: Refusal


Decision: TypeAlias = Posted | Refused

_RESERVES_OR_MOVES = frozenset({Phase.SINGLE, Phase.PENDING})
_ALREADY: dict[Phase, Refusal] = {
    Phase.POST: Refusal.PENDING_TRANSFER_ALREADY_POSTED,
    Phase.VOID: Refusal.PENDING_TRANSFER_ALREADY_VOIDED,
    Phase.EXPIRE: Refusal.PENDING_TRANSFER_ALREADY_EXPIRED,
}
"""The phases that settle, and why nothing else can settle the same again."""


def _breaks_form(t: Transfer) -> Iterable[tuple[bool, Refusal]]:
    yield not t.id, Refusal.ID_MUST_BE_GIVEN
    yield t.amount.minor <= 0, Refusal.AMOUNT_MUST_BE_ABOVE_ZERO
    yield t.debit == t.credit, Refusal.ACCOUNTS_MUST_BE_DIFFERENT
    yield t.phase in _ALREADY and not t.pending_id, Refusal.PENDING_ID_MUST_BE_GIVEN
    yield t.phase in _RESERVES_OR_MOVES and bool(t.pending_id), Refusal.PENDING_ID_MUST_BE_EMPTY
    yield t.phase is not Phase.PENDING and t.expires_on is not None, Refusal.EXPIRES_ON_MUST_BE_EMPTY


def _breaks_accounts(t: Transfer, accounts: Accounts) -> Iterable[tuple[bool, Refusal]]:
    debit, credit = accounts.standings.get((t.book, t.debit)), accounts.standings.get((t.book, t.credit))
    yield debit is None, Refusal.DEBIT_ACCOUNT_NOT_FOUND
    yield credit is None, Refusal.CREDIT_ACCOUNT_NOT_FOUND
    currencies = {t.amount.currency, *(s.account.currency for s in (debit, credit) if s is not None)}
    yield len(currencies) > 1, Refusal.CURRENCIES_MUST_BE_EQUAL


def _breaks_pending(t: Transfer, accounts: Accounts) -> Iterable[tuple[bool, Refusal]]:
    if t.phase not in _ALREADY:
        return
    pending = accounts.transfers.get(t.pending_id)
    if pending is None:
        yield True, Refusal.PENDING_TRANSFER_NOT_FOUND
        return
    expires = t.phase is Phase.EXPIRE
    yield pending.phase is not Phase.PENDING, Refusal.PENDING_TRANSFER_IS_NOT_PENDING
    yield _moved(t) != _moved(pending), Refusal.PENDING_TRANSFER_HAS_OTHER_CONTENT
    yield expires and pending.expires_on is None, Refusal.PENDING_TRANSFER_NEVER_EXPIRES
    for phase, reason in _ALREADY.items():
        yield accounts.settled.get(t.pending_id) is phase, reason
    early = expires and pending.expires_on is not None and t.business_day < pending.expires_on
    yield early, Refusal.PENDING_TRANSFER_NOT_YET_EXPIRED


def _breaks_limits(t: Transfer, accounts: Accounts) -> Iterable[tuple[bool, Refusal]]:
    if t.phase not in _RESERVES_OR_MOVES:
        return  # what is settled has been counted since it was reserved
    debit, credit = accounts.standings[(t.book, t.debit)], accounts.standings[(t.book, t.credit)]
    limits = Limit.DEBITS_MUST_NOT_EXCEED_CREDITS, Limit.CREDITS_MUST_NOT_EXCEED_DEBITS
    reasons = Refusal.DEBIT_ACCOUNT_WOULD_BE_OVERDRAWN, Refusal.CREDIT_ACCOUNT_WOULD_BE_OVERDRAWN
    for standing, limit, reason in zip((debit, credit), limits, reasons, strict=True):
        headroom = standing.headroom_minor
        yield standing.account.rule.limit is limit and headroom is not None and headroom < t.amount.minor, reason


def _moved(t: Transfer) -> tuple[str, str, str, Amount]:
    return (t.book, t.debit, t.credit, t.amount)


def _first(checks: Iterable[tuple[bool, Refusal]]) -> Refusal | None:
    return next((reason for broken, reason in checks if broken), None)


def decide(transfer: Transfer, accounts: Accounts) -> Decision:
    """Whether ``transfer`` may be stored next. The first broken rule, in the order of ``Refusal``, is the answer."""
    if reason := _first(_breaks_form(transfer)):
        return Refused(transfer, reason)
    if (known := accounts.transfers.get(transfer.id)) is not None:
        return Posted(known, True) if known == transfer else Refused(transfer, Refusal.REPEATED_WITH_OTHER_CONTENT)
    rest: tuple[Callable[[Transfer, Accounts], Iterable[tuple[bool, Refusal]]], ...]
    rest = (_breaks_accounts, _breaks_pending, _breaks_limits)
    for rule in rest:
        if reason := _first(rule(transfer, accounts)):
            return Refused(transfer, reason)
    return Posted(transfer)


# How one transfer changes the counters of its accounts: (posted, pending), times the amount.
_EFFECT: dict[Phase, tuple[int, int]] = {
    Phase.SINGLE: (1, 0),
    Phase.PENDING: (0, 1),
    Phase.POST: (1, -1),
    Phase.VOID: (0, -1),
    Phase.EXPIRE: (0, -1),
}


def effect(transfer: Transfer) -> tuple[Counters, Counters]:
    """What to add to the counters of the debit and of the credit account."""
    posted, pending = (sign * transfer.amount.minor for sign in _EFFECT[transfer.phase])
    return Counters(debits_posted=posted, debits_pending=pending), Counters(
        credits_posted=posted, credits_pending=pending
    )


def added(one: Counters, other: Counters) -> Counters:
    return Counters._make(map(add, one, other))


def decide_all(transfers: Iterable[Transfer], accounts: Accounts) -> tuple[list[Decision], Accounts]:
    """Decide one after the other, each on what the ones before it left; the decisions and what is known afterwards."""
    standings, known, settled = dict(accounts.standings), dict(accounts.transfers), dict(accounts.settled)
    working = Accounts(standings, known, settled)
    decisions = []
    for transfer in transfers:
        decision = decide(transfer, working)
        decisions.append(decision)
        if isinstance(decision, Posted) and not decision.repeated:
            known[transfer.id] = transfer
            if transfer.phase in _ALREADY:
                settled[transfer.pending_id] = transfer.phase
            for code, change in zip((transfer.debit, transfer.credit), effect(transfer), strict=True):
                old = standings[(transfer.book, code)]
                standings[(transfer.book, code)] = Standing(old.account, added(old.counters, change))
    return decisions, working
