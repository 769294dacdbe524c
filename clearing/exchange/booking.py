"""What answers do to the ledger, and which cases they open. Pure.

A claim moves nothing until its issuer has answered. What is confirmed is one transfer for each package, business day and
operator; ``exchange_item`` says which transactions that is.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import date

from clearing.cases.rules import CaseKind, Subject
from clearing.exchange.messages import DisputeCode
from clearing.exchange.rules import DISPUTES, ItemState
from clearing.ledger.accounts import TRANSIT, Kind, code
from clearing.ledger.rules import Purpose, Transfer
from clearing.verification.context import TransactionId
from rulebook.money import Amount


@dataclass(frozen=True, slots=True, kw_only=True)
class Item:
    """One transaction of a package. ``partner``: the other city as participant. ``operator``: who is to be paid for what we
    claim; empty for what is claimed of us. ``content``: ``packing.content_of``."""

    partner: str
    package: int
    number: int
    transaction: TransactionId
    content: bytes
    amount_minor: int
    business_day: date
    operator: str = ""
    state: ItemState = ItemState.CLAIMED
    dispute: DisputeCode | None = None

    @property
    def claim_case(self) -> str:
        """The id of the case about a claim of ours."""
        return f"claim:{self.partner}:{self.package}:{self.number}"

    @property
    def held_case(self) -> str:
        """The id of the case about a claim on us."""
        return f"claimed:{self.partner}:{self.package}:{self.number}"


def confirmed_here(items: Iterable[Item]) -> list[Transfer]:
    """Our claims that the other city has confirmed: it owes them, the operators get them."""
    sums: Counter[tuple[str, int, date, str]] = Counter()
    for item in items:
        if item.state is ItemState.CONFIRMED:
            sums[item.partner, item.package, item.business_day, item.operator] += item.amount_minor
    return [
        _foreign_fare(f"exchange:out:{partner}:{package}:{day}:{operator}", partner, package, day, operator, minor)
        for (partner, package, day, operator), minor in sorted(sums.items())
        if minor
    ]


def paid_here(item: Item, *, borne: bool) -> Transfer:
    """One that was disputed and is paid by the other city's ruling. ``borne``: the card company gave it to the operator
    meanwhile, and gets it back."""
    id_ = f"exchange:out:{item.partner}:{item.package}:{item.number}:paid"
    fare = _foreign_fare(id_, item.partner, item.package, item.business_day, item.operator, item.amount_minor)
    return replace(fare, credit=code(Kind.FEES)) if borne else fare


def confirmed_elsewhere(items: Iterable[Item]) -> list[Transfer]:
    """What our cards paid in the other city and we have confirmed: off the cards, owed to that city."""
    sums: Counter[tuple[str, int, date]] = Counter()
    for item in items:
        if item.state is ItemState.CONFIRMED:
            sums[item.partner, item.package, item.business_day] += item.amount_minor
    return [
        Transfer(
            id=f"exchange:in:{partner}:{package}:{day}",
            book=TRANSIT,
            debit=code(Kind.VALUE_ON_CARDS),
            credit=code(Kind.OTHER_CITY_PAYABLE, partner),
            amount=Amount(minor),
            purpose=Purpose.FARE_ELSEWHERE,
            business_day=day,
            reference=f"exchange:in:{partner}:{package}",
        )
        for (partner, package, day), minor in sorted(sums.items())
        if minor
    ]


def held_elsewhere(items: Iterable[Item]) -> list[Transfer]:
    """What our cards did pay there and we dispute: it waits on "open taps", each for itself."""
    return [
        Transfer(
            id=f"{item.transaction}:{Purpose.HELD}",
            book=TRANSIT,
            debit=code(Kind.VALUE_ON_CARDS),
            credit=code(Kind.OPEN_TAPS),
            amount=Amount(item.amount_minor),
            purpose=Purpose.HELD,
            business_day=item.business_day,
            reference=item.held_case,
        )
        for item in items
        if item.state is ItemState.DISPUTED
    ]


def cases_of_claims(items: Iterable[Item]) -> list[Subject]:
    """One for each claim of ours that was not confirmed, but for those without money. The operator sees to it and bears it,
    unless two people let the card company bear it."""
    return [
        Subject(
            id=item.claim_case,
            kind=CaseKind.CLAIM_REFUSED,
            book=TRANSIT,
            owner=item.operator,
            amount=Amount(item.amount_minor),
            account=code(Kind.FEES),
            claimant=code(Kind.OPERATOR_PAYABLE, item.operator),
            detail=_said(item),
        )
        for item in items
        if item.dispute is not None and item.amount_minor
    ]


def cases_of_held(items: Iterable[Item], *, keeper: str) -> list[Subject]:
    """One for each claim on us whose value is held. ``keeper`` of the book rules on it."""
    return [
        Subject(
            id=item.held_case,
            kind=CaseKind.CLAIM_HELD,
            book=TRANSIT,
            owner=keeper,
            amount=Amount(item.amount_minor),
            account=code(Kind.OPEN_TAPS),
            claimant=code(Kind.OTHER_CITY_PAYABLE, item.partner),
            holder=item.transaction.serial.hex().upper(),
            detail=_said(item),
        )
        for item in items
        if item.state is ItemState.DISPUTED
    ]


def unanswered_case(partner: str, package: int) -> str:
    """The id of the case about a package of ours whose answer is overdue."""
    return f"unanswered:{partner}:{package}"


def case_of_unanswered(
    partner: str, package: int, *, amount_minor: int, due: date, called: str, keeper: str
) -> Subject:
    """All of the package's money is at stake, and none moves by this case. ``called``: the other city, in words. It cannot be
    made to answer here: the ``keeper`` of the book must see to it."""
    return Subject(
        id=unanswered_case(partner, package),
        kind=CaseKind.UNANSWERED,
        book=TRANSIT,
        owner=keeper,
        amount=Amount(amount_minor),
        detail=f"{called}: 交易包 {package}，应于 {due} 前答复 package {package}, answer due by {due}",
    )


def _said(item: Item) -> str:
    assert item.dispute is not None
    rule = DISPUTES[item.dispute]
    return f"{item.transaction}: {item.dispute:d} {rule.zh} {rule.en}"


def _foreign_fare(id_: str, partner: str, package: int, day: date, operator: str, minor: int) -> Transfer:
    return Transfer(
        id=id_,
        book=TRANSIT,
        debit=code(Kind.OTHER_CITY_PAYABLE, partner),
        credit=code(Kind.OPERATOR_PAYABLE, operator),
        amount=Amount(minor),
        purpose=Purpose.FOREIGN_FARE,
        business_day=day,
        reference=f"exchange:out:{partner}:{package}",
    )
