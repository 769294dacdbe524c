"""Matching: one to one, one to many, by rules in order; always whole, and the same in any order."""

from __future__ import annotations

from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clearing.reconciliation.matching import MatchRule, Target, TargetKind, by_hand, match
from clearing.reconciliation.model import Detail, Entry

DAY = date(2026, 9, 16)
FUND = "9558800200000000052"


def detail(*, end_to_end_id: str = "", amount: int | None = None, account: str = "", remittance: str = "") -> Detail:
    return Detail(end_to_end_id=end_to_end_id, amount_minor=amount, account=account, name="", remittance=remittance)


def entry(minor: int, *details: Detail, reference: str = "r", batch: str = "") -> Entry:
    return Entry(reference=reference, amount_minor=minor, booked_on=DAY, batch=batch, details=details)


def call(id_: str, minor: int, account: str = FUND) -> Target:
    return Target(kind=TargetKind.CALL, id=id_, participant="fund", open_minor=minor, account=account)


def payment(id_: str, minor: int, batch: str = "P1") -> Target:
    return Target(kind=TargetKind.PAYMENT, id=id_, participant="bus-a", open_minor=-minor, batch=batch)


def booked(id_: str, minor: int) -> Target:
    return Target(kind=TargetKind.BOOKED, id=id_, participant="keeper", open_minor=minor)


C1, C2, P1, P2 = call("C1", 100), call("C2", 250), payment("P1-1", 70), payment("P1-2", 30)
T1, C1_BACK = booked("t1", 9), Target(kind=TargetKind.CALL_BACK, id="C1", participant="fund", open_minor=-100)
P1_BACK = Target(kind=TargetKind.PAYMENT_BACK, id="P1-1", participant="bus-a", open_minor=70)
CASES = {
    "a payment that comes back": (
        entry(70, detail(end_to_end_id="P1-1")),
        [C1, C1_BACK, P1_BACK],
        MatchRule.RETURNED,
        {"P1-1": 70},
    ),
    "one payment": (entry(-70, detail(end_to_end_id="P1-1")), [P1, P2], MatchRule.END_TO_END, {"P1-1": -70}),
    "an entry of two payments": (
        entry(-100, detail(end_to_end_id="P1-1", amount=70), detail(end_to_end_id="P1-2", amount=30)),
        [P1, P2],
        MatchRule.END_TO_END,
        {"P1-1": -70, "P1-2": -30},
    ),
    "one sum for a file": (
        entry(-100, batch="P1"),
        [P1, P2, payment("P2-1", 5, "P2")],
        MatchRule.BATCH,
        {"P1-1": -70, "P1-2": -30},
    ),
    "call named": (entry(100, detail(remittance="缴款 C1, thanks")), [C1, C2], MatchRule.CALL_REFERENCE, {"C1": 100}),
    "instalment of a call": (entry(40, detail(remittance="C2")), [C1, C2], MatchRule.CALL_REFERENCE, {"C2": 40}),
    "two calls named": (
        entry(350, detail(remittance="C2 C1")),
        [C1, C2],
        MatchRule.CALL_REFERENCE,
        {"C1": 100, "C2": 250},
    ),
    "by account": (entry(250, detail(account=FUND)), [C1, C2], MatchRule.ACCOUNT_AND_AMOUNT, {"C2": 250}),
    "by account, everything": (
        entry(350, detail(account=FUND)),
        [C1, C2],
        MatchRule.ACCOUNT_AND_SUM,
        {"C1": 100, "C2": 250},
    ),
    "booked already": (entry(9, detail(remittance="t1")), [booked("t1", 9)], MatchRule.BOOKED_REFERENCE, {"t1": 9}),
    "booked already, in one sum": (
        entry(12, detail()),
        [booked("t1", 9), booked("t2", 3), booked("t3", -7)],
        MatchRule.BOOKED_SUM,
        {"t1": 9, "t2": 3},
    ),
}


@pytest.mark.parametrize(("found", "targets", "rule", "parts"), CASES.values(), ids=CASES)
def test_each_rule_finds_its_entry(found: Entry, targets: list[Target], rule: MatchRule, parts: dict[str, int]) -> None:
    (made,) = match([found], targets).matches
    assert made.rule is rule
    assert {part.target.id: part.amount_minor for part in made.parts} == parts


UNMATCHED = {
    "a fen too little for a payment": (entry(-69, detail(end_to_end_id="P1-1")), [P1]),
    "more than the call asks": (entry(101, detail(remittance="C1")), [C1]),
    "two calls of one amount, neither named": (entry(5, detail(account=FUND)), [call("a", 5), call("b", 5)]),
    "from another account": (entry(100, detail(account="1234567890")), [C1]),
    "of a participant without account": (entry(100, detail()), [call("C1", 100, "")]),
    "a debit that names a call": (entry(-100, detail(remittance="C1")), [C1]),
    "one of two payments unknown": (
        entry(-100, detail(end_to_end_id="P1-1", amount=70), detail(end_to_end_id="?", amount=30)),
        [P1, P2],
    ),
    "a payment named twice": (
        entry(-140, detail(end_to_end_id="P1-1", amount=70), detail(end_to_end_id="P1-1", amount=70)),
        [P1],
    ),
    "a file of which one payment failed": (entry(-70, batch="P1"), [P1, P2]),
}


@pytest.mark.parametrize(("found", "targets"), UNMATCHED.values(), ids=UNMATCHED)
def test_what_does_not_fit_to_the_fen_is_left(found: Entry, targets: list[Target]) -> None:
    made = match([found], targets)
    assert made.matches == ()
    assert made.unmatched == (found,)


def test_two_instalments_fill_a_call_and_a_third_finds_nothing() -> None:
    entries = [entry(50, detail(remittance="C1"), reference=name) for name in ("r1", "r2", "r3")]
    made = match(entries, [C1])
    assert [found.entry.reference for found in made.matches] == ["r1", "r2"]
    assert [left.reference for left in made.unmatched] == ["r3"]


some_entries = st.lists(
    st.builds(
        lambda minor, word, account: (minor, word, account),
        st.integers(-300, 300).filter(bool),
        st.sampled_from(["C1", "C2", "P1-1", "P1-2", "t1", "?"]),
        st.sampled_from([FUND, ""]),
    ),
    max_size=8,
)


@given(some_entries, st.randoms(use_true_random=False))
def test_matching_is_whole_never_too_much_and_the_same_in_any_order(every: list[tuple[int, str, str]], random) -> None:  # type: ignore[no-untyped-def]
    entries = [
        entry(minor, detail(end_to_end_id=word, account=account, remittance=word), reference=str(number))
        for number, (minor, word, account) in enumerate(every)
    ]
    targets = [C1, C2, P1, P2, booked("t1", 9)]
    made = match(entries, targets)
    assert len(made.matches) + len(made.unmatched) == len(entries)
    taken: dict[str, int] = {}
    for found in made.matches:
        assert sum(part.amount_minor for part in found.parts) == found.entry.amount_minor
        for part in found.parts:
            taken[part.target.id] = taken.get(part.target.id, 0) + part.amount_minor
    for target in targets:
        assert 0 <= taken.get(target.id, 0) * (1 if target.open_minor > 0 else -1) <= abs(target.open_minor)
    random.shuffle(entries)
    random.shuffle(targets)
    assert match(entries, targets) == made


@pytest.mark.parametrize(
    ("minor", "chosen", "parts"),
    [
        (100, [C1], [100]),
        (120, [C1, C2], [100, 20]),
        (-100, [P1, P2], [-70, -30]),
        (101, [C1], None),
        (100, [C1, C2], None),
        (100, [P1], None),
        (100, [], None),
        (150, [C1, C1], None),
        (-50, [P1], None),
        (5, [T1], None),
        (-60, [C1_BACK], [-60]),
        (70, [P1_BACK], [70]),
        (60, [P1_BACK], None),
    ],
)
def test_what_people_choose_must_take_up_the_entry(minor: int, chosen: list[Target], parts: list[int] | None) -> None:
    found = by_hand(entry(minor), chosen)
    assert (found and [part.amount_minor for part in found.parts]) == parts
