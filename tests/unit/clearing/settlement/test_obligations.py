"""Obligations: gross, bilateral and multilateral say the same to the fen, each book for itself."""

from __future__ import annotations

from collections import Counter
from datetime import date

from hypothesis import given
from hypothesis import strategies as st

from clearing.ledger.accounts import Kind, code
from clearing.ledger.rules import Phase, Purpose, Transfer
from clearing.participants.banking import Netting
from clearing.settlement.obligations import bilateral, covered, gross, legs, multilateral, with_carried
from clearing.settlement.positions import positions
from rulebook.money import Amount

DAY = date(2026, 9, 15)
KEEPERS = {"transit": "card-company", "medical:f": "f"}
ACCOUNTS = {
    "transit": [
        code(Kind.VALUE_ON_CARDS),
        code(Kind.FEES),
        code(Kind.OPERATOR_PAYABLE, "a"),
        code(Kind.OPERATOR_PAYABLE, "b"),
        code(Kind.SUBSIDY_RECEIVABLE, "fund"),
        code(Kind.AGENT_WITH_LIMIT, "agent"),
        code(Kind.AGENT_PREFUNDED, "prepaid"),
    ],
    "medical:f": [code(Kind.FUND_POOL), code(Kind.HOSPITAL_PAYABLE, "a"), code(Kind.HOSPITAL_PAYABLE, "h")],
}


@st.composite
def transfer(draw: st.DrawFn, number: int) -> Transfer:
    book = draw(st.sampled_from(sorted(ACCOUNTS)))
    debit, credit = draw(st.lists(st.sampled_from(ACCOUNTS[book]), min_size=2, max_size=2, unique=True))
    return Transfer(
        id=f"t{number}",
        book=book,
        debit=debit,
        credit=credit,
        amount=Amount(draw(st.integers(1, 10**12))),
        purpose=draw(st.sampled_from([Purpose.FARE, Purpose.SUBSIDY, Purpose.PREFUNDING, Purpose.SETTLEMENT])),
        business_day=DAY,
        phase=draw(st.sampled_from([Phase.SINGLE, Phase.SINGLE, Phase.PENDING])),
    )


@st.composite
def days(draw: st.DrawFn) -> list[Transfer]:
    return [draw(transfer(number)) for number in range(draw(st.integers(0, 30)))]


def _gross(every: list[Transfer]):  # type: ignore[no-untyped-def]
    return [one for book, keeper in KEEPERS.items() for one in gross(every, book=book, keeper=keeper)]


@given(days())
def test_nets_add_to_nil_in_every_book_and_equal_the_positions(every: list[Transfer]) -> None:
    nets = multilateral(_gross(every))
    by_book: Counter[str] = Counter()
    for (book, _), minor in nets.items():
        by_book[book] += minor
    assert not any(by_book.values())
    of_window = positions(every, parties={}, keepers=KEEPERS, opening={})
    assert {key: minor for key, minor in nets.items() if minor} == {
        (p.book, p.participant): p.net_minor for p in of_window if p.net_minor
    }


@given(days())
def test_netting_between_two_leaves_the_nets_as_they_are_and_one_direction(every: list[Transfer]) -> None:
    left = bilateral(_gross(every))
    before, after = multilateral(_gross(every)), multilateral(left)
    assert {key: minor for key, minor in after.items() if minor} == {k: minor for k, minor in before.items() if minor}
    pairs = [(one.book, frozenset((one.debtor, one.creditor))) for one in left]
    assert len(pairs) == len(set(pairs))


@given(days(), st.sampled_from(Netting))
def test_what_is_paid_in_and_the_keepers_own_is_what_is_paid_out(every: list[Transfer], netting: Netting) -> None:
    for book, keeper in KEEPERS.items():
        found = legs(_gross(every), netting, book=book, keeper=keeper)
        paid_in = sum(amount.minor for amount in found.pay_in.values())
        assert paid_in + found.own_minor == sum(amount.minor for amount in found.pay_out.values())
        assert keeper not in found.pay_in.keys() | found.pay_out.keys()


def test_a_participant_of_two_books_is_never_netted_across_them() -> None:
    def fare(book: str, debit: str, credit: str) -> Transfer:
        return Transfer(
            id=book, book=book, debit=debit, credit=credit, amount=Amount(100), purpose=Purpose.FARE, business_day=DAY
        )

    owed = fare("transit", code(Kind.VALUE_ON_CARDS), code(Kind.OPERATOR_PAYABLE, "a"))
    owing = fare("medical:f", code(Kind.HOSPITAL_PAYABLE, "a"), code(Kind.FUND_POOL))
    every = _gross([owed, owing])
    assert legs(every, Netting.MULTILATERAL, book="transit", keeper="card-company").pay_out == {"a": Amount(100)}
    assert legs(every, Netting.MULTILATERAL, book="medical:f", keeper="f").pay_in == {"a": Amount(100)}


amounts = st.dictionaries(st.sampled_from("abcdefg"), st.integers(0, 10**12).map(Amount))


@given(amounts, st.integers(-5, 10**12))
def test_splits_that_lose_a_cent(owed: dict[str, Amount], cover: int) -> None:
    """Regression of others: a cover divided among creditors must come out to the fen, nobody above what is owed."""
    paid = covered(owed, Amount(cover))
    total = sum(amount.minor for amount in owed.values())
    assert sum(amount.minor for amount in paid.values()) == max(0, min(cover, total))
    assert all(Amount(0) < amount <= owed[who] for who, amount in paid.items())


def test_a_cover_of_one_fen_is_paid_to_one() -> None:
    assert covered({"b": Amount(50), "a": Amount(50), "c": Amount(1)}, Amount(1)) == {"a": Amount(1)}


@given(days(), days())
def test_what_was_carried_and_what_is_new_is_neither_lost_nor_doubled(
    first: list[Transfer], then: list[Transfer]
) -> None:
    old, new = (
        legs(_gross(each), Netting.MULTILATERAL, book="transit", keeper="card-company") for each in (first, then)
    )
    found = with_carried(
        new,
        Netting.MULTILATERAL,
        pay_in={who: amount.minor for who, amount in old.pay_in.items()},
        pay_out={who: amount.minor for who, amount in old.pay_out.items()},
    )
    assert not found.pay_in.keys() & found.pay_out.keys()
    paid_in, paid_out = (sum(a.minor for a in side.values()) for side in (found.pay_in, found.pay_out))
    assert paid_in + found.own_minor == paid_out
    assert found.own_minor == old.own_minor + new.own_minor
