"""Which transfers the ledger takes, and by which name it refuses the others."""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from itertools import combinations
from typing import Any

import pytest

from clearing.ledger.accounts import RULES, TRANSIT, Account, Kind, account, code, medical_book
from clearing.ledger.rules import (
    Accounts,
    Counters,
    Phase,
    Posted,
    Purpose,
    Refusal,
    Refused,
    Standing,
    Transfer,
    decide,
    decide_all,
    settling,
)
from rulebook.money import Amount, Currency

DAY = date(2026, 9, 15)
AGENT, VALUE = code(Kind.AGENT_PREFUNDED, "agent-1"), code(Kind.VALUE_ON_CARDS)
FLOAT, LIMITED = code(Kind.FLOAT_AT_BANK), code(Kind.AGENT_WITH_LIMIT, "agent-2")
OWED = code(Kind.OPERATOR_PAYABLE, "bus-a")


def standings() -> dict[tuple[str, str], Standing]:
    every = [
        Standing(account(TRANSIT, Kind.AGENT_PREFUNDED, "agent-1"), Counters(credits_posted=1000)),
        Standing(account(TRANSIT, Kind.AGENT_WITH_LIMIT, "agent-2", limit_minor=500)),
        Standing(account(TRANSIT, Kind.VALUE_ON_CARDS)),
        Standing(account(TRANSIT, Kind.FLOAT_AT_BANK), Counters(debits_posted=1000)),
        Standing(account(TRANSIT, Kind.OPERATOR_PAYABLE, "bus-a")),
        Standing(account(medical_book("f"), Kind.FUND_POOL), Counters(credits_posted=5)),
    ]
    return {(s.account.book, s.account.code): s for s in every}


LOAD = Transfer(
    id="load",
    book=TRANSIT,
    debit=AGENT,
    credit=VALUE,
    amount=Amount(300),
    purpose=Purpose.LOAD,
    business_day=DAY,
)
PENDING = replace(LOAD, id="pending", phase=Phase.PENDING)
POST = settling(PENDING, Phase.POST, id="post", business_day=DAY)
EXPIRING = replace(PENDING, id="expiring", expires_on=DAY)
EXPIRE = settling(EXPIRING, Phase.EXPIRE, id="expire", business_day=DAY)
STORED = {PENDING.id: PENDING, EXPIRING.id: EXPIRING, "old": replace(LOAD, id="old")}


def known(**changed: Any) -> Accounts:
    return Accounts(**{"standings": standings(), "transfers": STORED, **changed})


# One row for each refusal: the transfer that breaks that rule and, as far as possible, no other.
BROKEN: list[tuple[Refusal, Transfer, dict[str, Any]]] = [
    (Refusal.ID_MUST_BE_GIVEN, replace(LOAD, id=""), {}),
    (Refusal.AMOUNT_MUST_BE_ABOVE_ZERO, replace(LOAD, amount=Amount(0)), {}),
    (Refusal.AMOUNT_MUST_BE_ABOVE_ZERO, replace(LOAD, amount=Amount(-1)), {}),
    (Refusal.ACCOUNTS_MUST_BE_DIFFERENT, replace(LOAD, credit=AGENT), {}),
    (Refusal.PENDING_ID_MUST_BE_GIVEN, replace(POST, pending_id=""), {}),
    (Refusal.PENDING_ID_MUST_BE_GIVEN, replace(POST, pending_id="", phase=Phase.VOID), {}),
    (Refusal.PENDING_ID_MUST_BE_EMPTY, replace(LOAD, pending_id="pending"), {}),
    (Refusal.PENDING_ID_MUST_BE_EMPTY, replace(PENDING, id="x", pending_id="pending"), {}),
    (Refusal.PENDING_ID_MUST_BE_GIVEN, replace(EXPIRE, pending_id=""), {}),
    (Refusal.EXPIRES_ON_MUST_BE_EMPTY, replace(LOAD, expires_on=DAY), {}),
    (Refusal.EXPIRES_ON_MUST_BE_EMPTY, replace(POST, expires_on=DAY), {}),
    (Refusal.EXPIRES_ON_MUST_BE_EMPTY, replace(EXPIRE, expires_on=DAY), {}),
    (Refusal.REPEATED_WITH_OTHER_CONTENT, replace(LOAD, id="old", amount=Amount(301)), {}),
    (Refusal.DEBIT_ACCOUNT_NOT_FOUND, replace(LOAD, debit="agent-prefunded:nobody"), {}),
    (Refusal.DEBIT_ACCOUNT_NOT_FOUND, replace(LOAD, book=medical_book("f")), {}),
    (Refusal.CREDIT_ACCOUNT_NOT_FOUND, replace(LOAD, credit="fund-pool"), {}),
    (Refusal.PENDING_TRANSFER_NOT_FOUND, replace(POST, pending_id="nothing"), {}),
    (Refusal.PENDING_TRANSFER_IS_NOT_PENDING, replace(POST, pending_id="old"), {}),
    (Refusal.PENDING_TRANSFER_HAS_OTHER_CONTENT, replace(POST, amount=Amount(299)), {}),
    (Refusal.PENDING_TRANSFER_HAS_OTHER_CONTENT, replace(POST, credit=OWED), {}),
    (Refusal.PENDING_TRANSFER_ALREADY_POSTED, POST, {"settled": {"pending": Phase.POST}}),
    (Refusal.PENDING_TRANSFER_ALREADY_VOIDED, POST, {"settled": {"pending": Phase.VOID}}),
    (Refusal.PENDING_TRANSFER_ALREADY_VOIDED, EXPIRE, {"settled": {"expiring": Phase.VOID}}),
    (Refusal.PENDING_TRANSFER_ALREADY_EXPIRED, POST, {"settled": {"pending": Phase.EXPIRE}}),
    (Refusal.PENDING_TRANSFER_ALREADY_EXPIRED, EXPIRE, {"settled": {"expiring": Phase.EXPIRE}}),
    (Refusal.PENDING_TRANSFER_NEVER_EXPIRES, replace(EXPIRE, pending_id="pending"), {}),
    (Refusal.PENDING_TRANSFER_NOT_YET_EXPIRED, replace(EXPIRE, business_day=date(2026, 9, 14)), {}),
    (Refusal.DEBIT_ACCOUNT_WOULD_BE_OVERDRAWN, replace(LOAD, amount=Amount(1001)), {}),
    (Refusal.DEBIT_ACCOUNT_WOULD_BE_OVERDRAWN, replace(LOAD, debit=LIMITED, amount=Amount(501)), {}),
    (Refusal.CREDIT_ACCOUNT_WOULD_BE_OVERDRAWN, replace(LOAD, debit=OWED, credit=FLOAT, amount=Amount(1001)), {}),
]


@pytest.mark.parametrize(("reason", "transfer", "changed"), BROKEN, ids=lambda value: str(value)[:40])
def test_a_broken_rule_is_named(reason: Refusal, transfer: Transfer, changed: dict[str, Any]) -> None:
    assert decide(transfer, known(**changed)) == Refused(transfer, reason)


def test_two_currencies_do_not_meet() -> None:
    foreign = Account(TRANSIT, VALUE, Kind.VALUE_ON_CARDS, "XXX")  # type: ignore[arg-type]  # there is one currency yet
    changed = {**standings(), (TRANSIT, VALUE): Standing(foreign)}
    assert decide(LOAD, known(standings=changed)) == Refused(LOAD, Refusal.CURRENCIES_MUST_BE_EQUAL)


def test_every_refusal_has_a_row() -> None:
    assert {reason for reason, _, _ in BROKEN} | {Refusal.CURRENCIES_MUST_BE_EQUAL} == set(Refusal)


def test_the_first_broken_rule_in_the_order_of_the_enum_is_the_answer() -> None:
    """Two faults put together are refused by the name that stands earlier."""
    faults: dict[Refusal, dict[str, Any]] = {
        Refusal.ID_MUST_BE_GIVEN: {"id": ""},
        Refusal.AMOUNT_MUST_BE_ABOVE_ZERO: {"amount": Amount(0)},
        Refusal.ACCOUNTS_MUST_BE_DIFFERENT: {"debit": "nobody", "credit": "nobody"},
        Refusal.PENDING_ID_MUST_BE_EMPTY: {"pending_id": "x"},
        Refusal.EXPIRES_ON_MUST_BE_EMPTY: {"expires_on": DAY},
        Refusal.REPEATED_WITH_OTHER_CONTENT: {"id": "old"},
        Refusal.DEBIT_ACCOUNT_NOT_FOUND: {"debit": "nobody"},
        Refusal.CREDIT_ACCOUNT_NOT_FOUND: {"credit": "nowhere"},
    }
    order = list(Refusal)
    for (one, first), (two, second) in combinations(faults.items(), 2):
        if set(first) & set(second):
            continue
        broken = replace(LOAD, reference="another", **first, **second)
        assert decide(broken, known()) == Refused(broken, min(one, two, key=order.index))


@pytest.mark.parametrize(
    "changed", ["debit", "credit", "amount", "purpose", "business_day", "reference", "phase", "expires_on"]
)
def test_a_repeat_is_compared_in_every_field(changed: str) -> None:
    other: dict[str, Any] = {
        "debit": OWED,
        "credit": OWED,
        "amount": Amount(1),
        "purpose": Purpose.FEE,
        "business_day": date(2026, 9, 16),
        "reference": "r",
        "phase": Phase.PENDING,
        "expires_on": date(2026, 9, 16),
    }
    repeat = replace(EXPIRING if changed == "expires_on" else STORED["old"], **{changed: other[changed]})
    assert decide(repeat, known()) == Refused(repeat, Refusal.REPEATED_WITH_OTHER_CONTENT)


def test_an_equal_repeat_is_posted_already() -> None:
    assert decide(STORED["old"], known()) == Posted(STORED["old"], True)


def test_a_repeat_is_recognised_even_where_it_would_now_be_overdrawn() -> None:
    spent = {**standings(), (TRANSIT, AGENT): Standing(account(TRANSIT, Kind.AGENT_PREFUNDED, "agent-1"))}
    assert decide(STORED["old"], known(standings=spent)) == Posted(STORED["old"], True)


@pytest.mark.parametrize(
    ("transfer", "amount"),
    [(LOAD, 1000), (replace(LOAD, debit=LIMITED), 500), (replace(LOAD, debit=OWED, credit=FLOAT), 1000)],
    ids=["prefunded", "with a limit", "float"],
)
def test_an_account_may_go_to_its_limit(transfer: Transfer, amount: int) -> None:
    exact = replace(transfer, amount=Amount(amount))
    assert decide(exact, known()) == Posted(exact)


def test_what_is_reserved_cannot_be_spent_twice() -> None:
    both = [replace(LOAD, id="a", phase=Phase.PENDING, amount=Amount(600)), replace(LOAD, id="b", amount=Amount(401))]
    decisions, _ = decide_all(both, known())
    assert decisions == [Posted(both[0]), Refused(both[1], Refusal.DEBIT_ACCOUNT_WOULD_BE_OVERDRAWN)]


def test_what_is_voided_can_be_spent() -> None:
    first = replace(LOAD, id="a", phase=Phase.PENDING, amount=Amount(1000))
    void = settling(first, Phase.VOID, id="a/void", business_day=DAY)
    again = replace(LOAD, id="b", amount=Amount(1000))
    decisions, after = decide_all([first, void, again], known())
    assert decisions == [Posted(first), Posted(void), Posted(again)]
    assert after.standings[TRANSIT, AGENT].counters == Counters(1000, 1000, 0, 0)


@pytest.mark.parametrize("day", [DAY, date(2026, 9, 30)], ids=["on the day", "later"])
def test_what_expired_can_be_spent(day: date) -> None:
    first = replace(LOAD, id="a", phase=Phase.PENDING, amount=Amount(1000), expires_on=DAY)
    expired = settling(first, Phase.EXPIRE, id="a/expired", business_day=day)
    again = replace(LOAD, id="b", amount=Amount(1000))
    decisions, after = decide_all([first, expired, again], known())
    assert decisions == [Posted(first), Posted(expired), Posted(again)]
    assert after.standings[TRANSIT, AGENT].counters == Counters(1000, 1000, 0, 0)


@pytest.mark.parametrize("phase", [Phase.POST, Phase.VOID])
def test_until_somebody_lets_it_expire_it_can_be_settled(phase: Phase) -> None:
    late = settling(EXPIRING, phase, id="late", business_day=date(2026, 9, 30))
    assert decide(late, known()) == Posted(late)


def test_money_that_is_only_pending_covers_nothing() -> None:
    coming = replace(LOAD, id="in", debit=FLOAT, credit=AGENT, phase=Phase.PENDING, amount=Amount(500))
    spending = replace(LOAD, amount=Amount(1001))
    decisions, _ = decide_all([coming, spending], known())
    assert decisions[1] == Refused(spending, Refusal.DEBIT_ACCOUNT_WOULD_BE_OVERDRAWN)


def test_deciding_a_set_leaves_what_was_known_as_it_was() -> None:
    before = known()
    decide_all([LOAD], before)
    assert before.standings == standings()
    assert LOAD.id not in before.transfers


def test_a_retry_helps_where_the_books_may_change_and_not_where_the_transfer_is_wrong() -> None:
    assert {reason for reason in Refusal if reason.may_retry} == {
        Refusal.DEBIT_ACCOUNT_NOT_FOUND,
        Refusal.CREDIT_ACCOUNT_NOT_FOUND,
        Refusal.PENDING_TRANSFER_NOT_FOUND,
        Refusal.PENDING_TRANSFER_NOT_YET_EXPIRED,
        Refusal.DEBIT_ACCOUNT_WOULD_BE_OVERDRAWN,
        Refusal.CREDIT_ACCOUNT_WOULD_BE_OVERDRAWN,
    }


def test_every_kind_of_account_has_a_rule() -> None:
    assert set(RULES) == set(Kind)


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("operator-payable", Kind.OPERATOR_PAYABLE),
        ("operator-payable:", Kind.OPERATOR_PAYABLE),
        ("fees:bus-a", Kind.FEES),
        ("fees", Kind.OPEN_TAPS),
    ],
)
def test_an_account_is_called_by_its_kind_and_owner(name: str, kind: Kind) -> None:
    with pytest.raises(ValueError, match="must be called"):
        Account(TRANSIT, name, kind)


@pytest.mark.parametrize(("kind", "limit"), [(Kind.AGENT_PREFUNDED, 1), (Kind.AGENT_WITH_LIMIT, -1)])
def test_only_an_agent_with_a_limit_has_one(kind: Kind, limit: int) -> None:
    with pytest.raises(ValueError, match="limit_minor"):
        account(TRANSIT, kind, "agent", limit_minor=limit)


def test_an_account_names_its_owner() -> None:
    assert account(TRANSIT, Kind.OPERATOR_PAYABLE, "bus-a").owner == "bus-a"
    assert account(TRANSIT, Kind.FEES).owner == ""
    assert account(TRANSIT, Kind.FEES).currency is Currency.CNY
