"""Which entry of the bank is which call, payment or booking: rules in order, each all or nothing. Pure, so that a dry run shows
exactly what would happen. Money is only ever matched whole: the parts of an entry add up to it."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum, unique

from clearing.reconciliation.model import Entry


@unique
class TargetKind(StrEnum):
    CALL = "call"  # a participant owes it
    PAYMENT = "payment"  # a released payment
    BOOKED = "booked"  # the ledger has it already: prefunding, contributions
    CALL_BACK = "call_back"  # the bank takes back what it had shown as paid on a call
    PAYMENT_BACK = "payment_back"  # a payment that the bank had shown comes back
    ENTRY = "entry"  # another unmatched entry the other way: the bank corrected itself, or money went back as it came


@unique
class MatchRule(StrEnum):
    """In order of precedence."""

    END_TO_END = "end_to_end"  # each part of the entry names a payment, with its amount
    RETURNED = "returned"  # names a payment that the bank had shown, with its amount, the other way
    BATCH = "batch"  # one sum for a whole payment file
    CALL_REFERENCE = "call_reference"  # the remittance names calls; not more than they ask for
    ACCOUNT_AND_AMOUNT = "account_and_amount"  # from the account of the participant, exactly one call
    ACCOUNT_AND_SUM = "account_and_sum"  # from the account of the participant, all its calls together
    BOOKED_REFERENCE = "booked_reference"  # names a transfer of the ledger, with its amount
    BOOKED_SUM = "booked_sum"  # one sum for everything booked in that direction that the bank had not shown yet
    BY_HAND = "by_hand"  # two persons said what it is; no rule finds it


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """``open_minor``: what is still to come (signed as the bank's entry would be). ``batch``: the payment file. ``account``:
    number of the other side's bank account, empty where none is known."""

    kind: TargetKind
    id: str
    participant: str
    open_minor: int
    account: str = ""
    batch: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """``amount_minor`` is signed as the entry is."""

    target: Target
    amount_minor: int


@dataclass(frozen=True, slots=True)
class Match:
    entry: Entry
    rule: MatchRule
    parts: tuple[Part, ...]


@dataclass(frozen=True, slots=True)
class Matching:
    matches: tuple[Match, ...]
    unmatched: tuple[Entry, ...]


def match(entries: Iterable[Entry], targets: Iterable[Target]) -> Matching:
    """Entries in order of day and reference, whatever order they came in; each takes what the ones before left open."""
    open_ = {(target.kind, target.id): target for target in sorted(targets, key=lambda t: (t.kind, t.id))}
    left = {key: target.open_minor for key, target in open_.items()}
    matches, unmatched = [], []
    for entry in sorted(entries, key=lambda e: (e.booked_on, e.reference)):
        found = _first(entry, [_reduced(target, left[key]) for key, target in open_.items() if left[key]])
        if found is None:
            unmatched.append(entry)
            continue
        matches.append(found)
        for part in found.parts:
            left[part.target.kind, part.target.id] -= part.amount_minor
    return Matching(tuple(matches), tuple(unmatched))


def by_hand(entry: Entry, chosen: Iterable[Target]) -> Match | None:
    """What people chose, filled in their order; None unless it takes up the entry to the fen. Only a call takes a part of what
    is open: a payment is executed whole, and what is booked is shown whole."""
    chosen = list(chosen)
    if len({(target.kind, target.id) for target in chosen}) < len(chosen):
        return None
    sign, left, parts = (1 if entry.amount_minor > 0 else -1), abs(entry.amount_minor), []
    for target in chosen:
        taken = min(left, target.open_minor * sign)
        if taken <= 0 or (taken != abs(target.open_minor) and target.kind not in _IN_PARTS):
            return None
        parts.append(Part(target=target, amount_minor=taken * sign))
        left -= taken
    return Match(entry, MatchRule.BY_HAND, tuple(parts)) if not left else None


_IN_PARTS = frozenset({TargetKind.CALL, TargetKind.CALL_BACK})


def _reduced(target: Target, open_minor: int) -> Target:
    return Target(
        kind=target.kind,
        id=target.id,
        participant=target.participant,
        open_minor=open_minor,
        account=target.account,
        batch=target.batch,
    )


def _first(entry: Entry, targets: Sequence[Target]) -> Match | None:
    """The same way out only: a credit never pays a payment."""
    fitting = [target for target in targets if (target.open_minor > 0) == (entry.amount_minor > 0)]
    for rule, find in _RULES.items():
        parts = find(entry, fitting)
        if parts and sum(part.amount_minor for part in parts) == entry.amount_minor:
            return Match(entry, rule, tuple(parts))
    return None


def _end_to_end(entry: Entry, targets: Sequence[Target]) -> list[Part]:
    return _named_payments(entry, targets, TargetKind.PAYMENT)


def _returned(entry: Entry, targets: Sequence[Target]) -> list[Part]:
    return _named_payments(entry, targets, TargetKind.PAYMENT_BACK)


def _named_payments(entry: Entry, targets: Sequence[Target], kind: TargetKind) -> list[Part]:
    payments = {target.id: target for target in targets if target.kind is kind}
    parts = []
    for detail in entry.details:
        target = payments.pop(detail.end_to_end_id, None)
        alone = abs(entry.amount_minor) if len(entry.details) == 1 else 0
        if target is None or abs(target.open_minor) != (detail.amount_minor or alone):
            return []
        parts.append(_whole(target))
    return parts


def _batch(entry: Entry, targets: Sequence[Target]) -> list[Part]:
    return [_whole(t) for t in targets if t.kind is TargetKind.PAYMENT and entry.batch and t.batch == entry.batch]


def _call_reference(entry: Entry, targets: Sequence[Target]) -> list[Part]:
    """A call may be paid in instalments; the first call named is filled first."""
    calls = {target.id: target for target in targets if target.kind is TargetKind.CALL}
    left, parts = entry.amount_minor, []
    for name in _names(entry):
        target = calls.pop(name, None)
        if target is not None and left:
            taken = min(left, target.open_minor)
            parts.append(Part(target=target, amount_minor=taken))
            left -= taken
    return parts


def _account_and_amount(entry: Entry, targets: Sequence[Target]) -> list[Part]:
    fitting = [target for target in _of_account(entry, targets) if target.open_minor == entry.amount_minor]
    return [_whole(fitting[0])] if len(fitting) == 1 else []


def _account_and_sum(entry: Entry, targets: Sequence[Target]) -> list[Part]:
    return [_whole(target) for target in _of_account(entry, targets)]


def _booked_reference(entry: Entry, targets: Sequence[Target]) -> list[Part]:
    booked = {target.id: target for target in targets if target.kind is TargetKind.BOOKED}
    return [_whole(booked[name]) for name in _names(entry) if name in booked]


def _booked_sum(_: Entry, targets: Sequence[Target]) -> list[Part]:
    return [_whole(target) for target in targets if target.kind is TargetKind.BOOKED]


def _whole(target: Target) -> Part:
    return Part(target=target, amount_minor=target.open_minor)


def _of_account(entry: Entry, targets: Sequence[Target]) -> list[Target]:
    accounts = {detail.account for detail in entry.details} - {""}
    return [t for t in targets if t.kind is TargetKind.CALL and t.account and accounts == {t.account}]


def _names(entry: Entry) -> list[str]:
    """Every reference that the entry gives, once each, in its order."""
    words = Counter[str]()
    for detail in entry.details:
        words.update([detail.end_to_end_id, *re.split(r"[\s,;]+", detail.remittance)])
    return [word for word in words if word]


_RULES: Mapping[MatchRule, Callable[[Entry, Sequence[Target]], list[Part]]] = {
    MatchRule.END_TO_END: _end_to_end,
    MatchRule.RETURNED: _returned,
    MatchRule.BATCH: _batch,
    MatchRule.CALL_REFERENCE: _call_reference,
    MatchRule.ACCOUNT_AND_AMOUNT: _account_and_amount,
    MatchRule.ACCOUNT_AND_SUM: _account_and_sum,
    MatchRule.BOOKED_REFERENCE: _booked_reference,
    MatchRule.BOOKED_SUM: _booked_sum,
}
