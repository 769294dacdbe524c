"""The issuer's judgement of what another city claims about our cards, and the life of what we claim. Pure."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from enum import StrEnum, unique

from card_os.crypto.purse import TransactionType
from clearing.exchange.messages import AccountingResult, ClaimedTransaction, DisputeCode, Package
from clearing.facts.rules import DenyList
from clearing.verification.context import CardId, TransactionId
from clearing.verification.joining import Claim
from rulebook.calendar import Calendar
from rulebook.deny_list import in_force_at
from rulebook.messages.devices import DeviceKind
from rulebook.messages.facts import CardFact
from rulebook.money import Amount
from rulebook.record import Event


@dataclass(frozen=True, slots=True)
class DisputeRule:
    """``proven``: the card did pay; its value waits on "open taps" until two people have ruled. Otherwise the dispute is the
    last word."""

    proven: bool
    zh: str
    en: str


DISPUTES: Mapping[DisputeCode, DisputeRule] = {
    DisputeCode.NOT_PERMITTED: DisputeRule(False, "非本行发卡", "no card of ours, or not from this city"),
    DisputeCode.INVALID_TRANSACTION_TYPE: DisputeRule(False, "交易类型无效", "no purchase of the transit purse"),
    DisputeCode.BAD_FIELD: DisputeRule(False, "字段错误", "a field has no possible value"),
    DisputeCode.VERIFICATION_FAILED: DisputeRule(False, "TAC 校验失败", "the TAC is not the card's"),
    DisputeCode.DUPLICATE: DisputeRule(False, "重复交易", "the card transaction has been claimed before"),
    DisputeCode.CARD_DOES_NOT_EXIST: DisputeRule(True, "卡不存在", "the card is not in the card register"),
    DisputeCode.CARD_STATE_MISMATCH: DisputeRule(True, "密钥版本不符", "the key version is not the card's"),
    DisputeCode.CARD_EXPIRED: DisputeRule(True, "卡已过期", "outside the card's validity"),
    DisputeCode.USER_STATE_CHANGED: DisputeRule(True, "黑名单卡", "denied, and the list was in force there"),
    DisputeCode.OVERDUE: DisputeRule(True, "超过提交期限", "claimed later than agreed"),
    DisputeCode.CLOCK_ERROR: DisputeRule(True, "终端时钟错误", "dated after the day it was cleared on"),
    DisputeCode.ABOVE_LIMIT: DisputeRule(True, "超过限额", "above the purse limit of the card's product"),
    DisputeCode.OTHER: DisputeRule(True, "其他", "another reason"),
}
"""In order of precedence."""

_PURCHASES = frozenset({TransactionType.PURCHASE, TransactionType.COMPOUND})
_TRANSIT_PURSE = 2
# What takes a transaction of each kind, for the spreading time of the deny list.
_TAKEN_BY = {Event.RIDE: DeviceKind.VALIDATOR, Event.ENTRY: DeviceKind.GATE, Event.EXIT: DeviceKind.GATE}


@dataclass(frozen=True, slots=True)
class IssuerContext:
    """What our cards' transactions elsewhere are judged against. ``known``: card transactions that were paid, held or are
    otherwise ours already. ``received_on``: the day of the first receipt. ``issuers``: of ours that the sender may claim
    on."""

    issuers: frozenset[bytes]
    cards: Mapping[CardId, CardFact]
    deny: DenyList
    known: Collection[TransactionId]
    received_on: date
    claim_within: timedelta
    calendar: Calendar


def claims_of(package: Package) -> dict[int, Claim]:
    """By number, for ``clearing.verification.tac.right_claims``; what is of no issuer that we can check stays out."""
    records = ((each.number, each.record) for each in package.transactions)
    return {number: Claim(record, record) for number, record in records}


def judge(package: Package, right: Collection[int], context: IssuerContext) -> dict[int, DisputeCode]:
    """Number and reason of each transaction that is not confirmed. ``right`` are the numbers whose TAC is right. Of several
    with one id the first that is proven is the transaction, the others repeat it."""
    known = set(context.known)
    disputed: dict[int, DisputeCode] = {}
    for each in package.transactions:
        code = _first(_checks(each, package, each.number in right, known, context))
        if code is not None:
            disputed[each.number] = code
        if code is None or DISPUTES[code].proven:
            known.add(each.id)
    return disputed


def _checks(
    each: ClaimedTransaction, package: Package, right: bool, known: Collection[TransactionId], context: IssuerContext
) -> Iterable[tuple[bool, DisputeCode]]:
    """In the order of ``DISPUTES``."""
    card = context.cards.get((each.issuer, each.serial))
    at = each.at
    yield each.issuer not in context.issuers, DisputeCode.NOT_PERMITTED
    yield each.transaction_type not in _PURCHASES or each.purse != _TRANSIT_PURSE, DisputeCode.INVALID_TRANSACTION_TYPE
    yield at is None or each.balance_before_minor < each.amount_minor, DisputeCode.BAD_FIELD
    yield not right, DisputeCode.VERIFICATION_FAILED
    yield each.id in known, DisputeCode.DUPLICATE
    yield card is None, DisputeCode.CARD_DOES_NOT_EXIST
    assert at is not None
    assert card is not None
    yield card.key_version != each.key_version, DisputeCode.CARD_STATE_MISMATCH
    yield not card.valid_from <= at.date() <= card.valid_to, DisputeCode.CARD_EXPIRED
    yield _denied(each, at, context), DisputeCode.USER_STATE_CHANGED
    yield context.calendar.business_day(at) < context.received_on - context.claim_within, DisputeCode.OVERDUE
    yield context.calendar.business_day(at) > package.cleared_on, DisputeCode.CLOCK_ERROR
    yield each.amount_minor > card.purse_limit_minor, DisputeCode.ABOVE_LIMIT


def _denied(each: ClaimedTransaction, at: datetime, context: IssuerContext) -> bool:
    """Before the list had spread there the issuer pays; afterwards who let the card through does not get paid."""
    report = context.deny.report_by(each.issuer, each.serial, at)
    return report is not None and at >= in_force_at(report.reported_at, _TAKEN_BY[each.event])


def _first(checks: Iterable[tuple[bool, DisputeCode]]) -> DisputeCode | None:
    return next((code for broken, code in checks if broken), None)


def answer(package: Package, disputed: Mapping[int, DisputeCode], *, now: datetime) -> AccountingResult:
    """Everything that is not disputed is confirmed."""
    confirmed = sum(each.amount_minor for each in package.transactions if each.number not in disputed)
    return AccountingResult(
        sender=package.receiver,
        receiver=package.sender,
        number=package.number,
        issuer=package.issuer,
        processed_at=now,
        count=len(package.transactions),
        confirmed=Amount(confirmed),
        disputed=dict(disputed),
    )


def faults_of_answer(result: AccountingResult, package: Package) -> list[str]:
    """Where an accounting result does not fit the package it answers."""
    numbers = {each.number for each in package.transactions}
    expected = sum(each.amount_minor for each in package.transactions if each.number not in result.disputed)
    checks = (
        (result.issuer != package.issuer, f"IssuerId is not that of package {package.number}"),
        (result.count != len(numbers), f"Count is {result.count}; package {package.number} has {len(numbers)}"),
        (
            result.confirmed.minor != expected,
            f"Amount is {result.confirmed}; what is not disputed comes to {Amount(expected)}",
        ),
    )
    strangers = sorted(set(result.disputed) - numbers)
    faults = [said for wrong, said in checks if wrong]
    return faults + [f"DisputedRecord: package {package.number} has no TransId {number}" for number in strangers]


@unique
class PackageState(StrEnum):
    """Of a package of ours. What a window then pays is the settlement's matter."""

    MADE = "made"
    SENT = "sent"  # the other city has fetched it
    DISPUTED = "disputed"  # answered; some of it waits for a ruling
    SETTLED = "settled"  # every transaction is confirmed or finally refused, and that stands in the ledger


AWAITED = (PackageState.MADE, PackageState.SENT)
"""The other city owes something: to fetch it, to answer it."""


@unique
class PackageEvent(StrEnum):
    SEND = "send"
    REMIND = "remind"
    CONFIRM = "confirm"  # the answer leaves nothing open
    DISPUTE = "dispute"
    RULE = "rule"  # the last open transaction was ruled on


LIFE: Mapping[tuple[PackageState, PackageEvent], PackageState] = {
    (PackageState.MADE, PackageEvent.SEND): PackageState.SENT,
    (PackageState.SENT, PackageEvent.SEND): PackageState.SENT,
    (PackageState.SENT, PackageEvent.REMIND): PackageState.SENT,
    (PackageState.SENT, PackageEvent.CONFIRM): PackageState.SETTLED,
    (PackageState.SENT, PackageEvent.DISPUTE): PackageState.DISPUTED,
    (PackageState.DISPUTED, PackageEvent.RULE): PackageState.SETTLED,
}


@unique
class ItemState(StrEnum):
    """Of one transaction, at whichever side it stands."""

    CLAIMED = "claimed"  # ours, not answered yet
    CONFIRMED = "confirmed"
    DISPUTED = "disputed"  # waits for the issuer's ruling
    REFUSED = "refused"  # the dispute is the last word, or the ruling is bad debt
    PAID = "paid"  # disputed, and ruled to be paid


PAYABLE = frozenset({ItemState.CONFIRMED, ItemState.PAID})


def state_of_item(code: DisputeCode | None, amount_minor: int) -> ItemState:
    """After the accounting result. Where there is no money there is nothing to rule on."""
    if code is None:
        return ItemState.CONFIRMED
    return ItemState.DISPUTED if DISPUTES[code].proven and amount_minor else ItemState.REFUSED
