"""What another city claims about our cards is judged like our own records; the first reason that applies is the answer."""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import replace
from datetime import date, datetime, timedelta
from typing import Any

import pytest

from clearing.exchange.messages import AccountingResult, ClaimedTransaction, DisputeCode, Package
from clearing.exchange.rules import (
    DISPUTES,
    LIFE,
    IssuerContext,
    ItemState,
    PackageEvent,
    PackageState,
    answer,
    claims_of,
    faults_of_answer,
    judge,
    state_of_item,
)
from clearing.facts.rules import DenyChange, deny_list_of
from clearing.verification.context import TransactionId
from clearing.verification.tac import right_claims
from rulebook.calendar import BUSINESS_ZONE, calendar_named
from rulebook.messages.facts import CardFact, CardState
from rulebook.money import Amount

CODE = DisputeCode
RIDE_AT = datetime(2026, 9, 15, 8, 15, tzinfo=BUSINESS_ZONE)


def _fact(ids: Any, card: int) -> CardFact:
    return CardFact(
        issuer=ids.ours,
        serial=bytes.fromhex(f"03109910{card:012d}"),
        chip_serial=bytes(8),
        person="p",
        product="citizen",
        rider_class="ordinary",
        key_version=1,
        valid_from=date(2026, 1, 1),
        valid_to=date(2036, 1, 1),
        purse_limit_minor=100000,
        state=CardState.ACTIVE,
        effective=RIDE_AT,
    )


@pytest.fixture
def judged(town: Any, ids: Any) -> Callable[..., dict[int, DisputeCode]]:
    """With real TACs; ``context`` changes what the issuer knows."""

    def run(package: Package, **context: Any) -> dict[int, DisputeCode]:
        claims = claims_of(package)
        right = right_claims(town.vault, claims.values())
        base: dict[str, Any] = {
            "issuers": {ids.ours},
            "cards": {(fact.issuer, fact.serial): fact for fact in (_fact(ids, card) for card in (1, 2, 3))},
            "deny": deny_list_of([]),
            "known": frozenset(),
            "received_on": date(2026, 9, 16),
            "claim_within": timedelta(days=30),
            "calendar": calendar_named("china"),
        }
        numbers = {number for number, claim in claims.items() if claim in right}
        return judge(package, numbers, IssuerContext(**(base | context)))

    return run


Ride = Callable[..., ClaimedTransaction]
Judged = Callable[..., dict[int, DisputeCode]]
Packed = Callable[..., Package]


def test_a_real_ride_is_confirmed(claimed_of_us: Ride, packed: Packed, judged: Judged) -> None:
    package = packed(claimed_of_us(1, 1, 0), claimed_of_us(2, 1, 1), claimed_of_us(3, 2, 0, amount_minor=0))
    assert judged(package) == {}


ONE_FIELD = {
    "a wrong TAC": ({"tac": bytes(4)}, CODE.VERIFICATION_FAILED),
    "another issuer's card": ({"issuer": bytes.fromhex("01992000FFFFFFFF")}, CODE.NOT_PERMITTED),
    "a load": ({"transaction_type": 2}, CODE.INVALID_TRANSACTION_TYPE),
    "another purse": ({"purse": 1}, CODE.INVALID_TRANSACTION_TYPE),
    "a thirteenth month": ({"stamp": bytes.fromhex("20261315081500")}, CODE.BAD_FIELD),
    "no digits": ({"stamp": bytes.fromhex("2026091508150A")}, CODE.BAD_FIELD),
    "more than was on the card": ({"balance_before_minor": 199}, CODE.BAD_FIELD),
    "a card nobody knows": ({"card": 9}, CODE.CARD_DOES_NOT_EXIST),
    "another key": ({"key_version": 2}, CODE.CARD_STATE_MISMATCH),
    "before it was valid": ({"stamp": bytes.fromhex("20251231235959")}, CODE.CARD_EXPIRED),
    "on its last day": ({"stamp": bytes.fromhex("20260915235959")}, None),
    "too late": ({"stamp": bytes.fromhex("20260816081500")}, CODE.OVERDUE),
    "on the last day for it": ({"stamp": bytes.fromhex("20260817081500")}, None),
    "from the future": ({"stamp": bytes.fromhex("20260917081500")}, CODE.CLOCK_ERROR),
    "above the purse limit": ({"amount_minor": 100001, "balance_before_minor": 100001}, CODE.ABOVE_LIMIT),
    "the whole purse": ({"amount_minor": 100000, "balance_before_minor": 100000}, None),
}


@pytest.mark.parametrize("case", ONE_FIELD)
def test_one_field_is_wrong(case: str, claimed_of_us: Ride, packed: Packed, judged: Judged) -> None:
    changes, code = ONE_FIELD[case]
    package = packed(claimed_of_us(1, **changes), claimed_of_us(2, 3, 0))
    assert judged(package) == ({} if code is None else {1: code})


@pytest.mark.parametrize(
    ("reported", "code"),
    [
        (timedelta(minutes=-59), None),  # the list had not spread to buses: the issuer pays
        (timedelta(minutes=-60), CODE.USER_STATE_CHANGED),
        (timedelta(minutes=1), None),  # reported after the ride
    ],
)
def test_a_denied_card(
    reported: timedelta, code: DisputeCode | None, ids: Any, claimed_of_us: Ride, packed: Packed, judged: Judged
) -> None:
    serial = bytes.fromhex("03109910000000000001")
    change = DenyChange(number=1, issuer=ids.ours, serial=serial, denied=True, reported_at=RIDE_AT + reported)
    assert judged(packed(claimed_of_us()), deny=deny_list_of([change])) == ({} if code is None else {1: code})


def test_paid_before_is_a_duplicate(ids: Any, claimed_of_us: Ride, packed: Packed, judged: Judged) -> None:
    ride = claimed_of_us(1, 1, 5)
    known: Collection[TransactionId] = {ride.id}
    assert judged(packed(ride, claimed_of_us(2, 1, 6)), known=known) == {1: CODE.DUPLICATE}


def test_of_several_the_first_proven_one_counts(claimed_of_us: Ride, packed: Packed, judged: Judged) -> None:
    false, true, again = (
        claimed_of_us(1, 1, 5, tac=bytes(4)),
        claimed_of_us(2, 1, 5),
        claimed_of_us(3, 1, 5, amount_minor=300),
    )
    assert judged(packed(false, true, again)) == {1: CODE.VERIFICATION_FAILED, 3: CODE.DUPLICATE}


def test_a_held_one_is_the_transaction_too(claimed_of_us: Ride, packed: Packed, judged: Judged) -> None:
    old = claimed_of_us(1, 1, 5, stamp=bytes.fromhex("20260801081500"))
    assert judged(packed(old, claimed_of_us(2, 1, 5))) == {1: CODE.OVERDUE, 2: CODE.DUPLICATE}


def test_everything_wrong_at_once_says_the_first_reason(claimed_of_us: Ride, packed: Packed, judged: Judged) -> None:
    """Each next transaction has one fault less: the reasons come out in the declared order."""
    changes: dict[str, Any] = {
        "issuer": bytes.fromhex("01992000FFFFFFFF"),
        "transaction_type": 2,
        "balance_before_minor": 0,
        "tac": bytes(4),
        "card": 9,
    }
    rides = []
    for number in range(1, 6):
        rides.append(claimed_of_us(number, sequence=number, **changes))
        changes.pop(next(iter(changes)))
    order = [CODE.NOT_PERMITTED, CODE.INVALID_TRANSACTION_TYPE, CODE.BAD_FIELD, CODE.VERIFICATION_FAILED]
    assert list(judged(packed(*rides)).values()) == [*order, CODE.CARD_DOES_NOT_EXIST]
    assert [code for code in DISPUTES if code in order] == order


def test_an_answer_adds_up(claimed_of_us: Ride, packed: Packed) -> None:
    package = packed(claimed_of_us(1, amount_minor=110), claimed_of_us(2, 2, amount_minor=7))
    result = answer(package, {2: CODE.OVERDUE}, now=RIDE_AT)
    assert (result.confirmed, result.count, result.sender) == (Amount(110), 2, package.receiver)
    assert faults_of_answer(result, package) == []


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"confirmed": Amount(111)}, "Amount is 1.11"),
        ({"count": 3}, "Count is 3"),
        ({"issuer": bytes(8)}, "IssuerId"),
        ({"disputed": {2: CODE.OVERDUE, 3: CODE.OTHER}}, "no TransId 3"),
        ({"disputed": {}}, "Amount is 1.10"),
    ],
)
def test_an_answer_that_does_not_fit(changes: dict[str, Any], said: str, claimed_of_us: Ride, packed: Packed) -> None:
    package = packed(claimed_of_us(1, amount_minor=110), claimed_of_us(2, 2, amount_minor=7))
    right: AccountingResult = answer(package, {2: CODE.OVERDUE}, now=RIDE_AT)
    (fault,) = faults_of_answer(replace(right, **changes), package)
    assert said in fault


def test_a_package_is_settled_by_an_answer_that_leaves_nothing_open_or_by_the_last_ruling() -> None:
    settling = [pair for pair, state in LIFE.items() if state is PackageState.SETTLED]
    assert settling == [(PackageState.SENT, PackageEvent.CONFIRM), (PackageState.DISPUTED, PackageEvent.RULE)]
    assert PackageState.SETTLED not in {state for state, _ in LIFE}


def test_a_package_is_fetched_and_reminded_of_as_often_as_it_takes() -> None:
    sent = {pair for pair, state in LIFE.items() if state is PackageState.SENT}
    assert sent == {
        (PackageState.MADE, PackageEvent.SEND),
        (PackageState.SENT, PackageEvent.SEND),
        (PackageState.SENT, PackageEvent.REMIND),
    }


def test_only_a_package_the_other_city_has_is_disputed() -> None:
    disputing = [pair for pair, state in LIFE.items() if state is PackageState.DISPUTED]
    assert disputing == [(PackageState.SENT, PackageEvent.DISPUTE)]


@pytest.mark.parametrize(
    ("code", "amount", "state"),
    [
        (None, 100, ItemState.CONFIRMED),
        (CODE.OVERDUE, 100, ItemState.DISPUTED),
        (CODE.OVERDUE, 0, ItemState.REFUSED),
        (CODE.VERIFICATION_FAILED, 100, ItemState.REFUSED),
    ],
)
def test_how_a_transaction_ends(code: DisputeCode | None, amount: int, state: ItemState) -> None:
    assert state_of_item(code, amount) is state


def test_every_code_has_a_meaning() -> None:
    assert set(DISPUTES) == set(DisputeCode)
