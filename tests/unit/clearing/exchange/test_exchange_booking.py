"""Every fen that is confirmed moves once; what is disputed waits, with a case."""

from __future__ import annotations

from datetime import date, timedelta

from hypothesis import given
from hypothesis import strategies as st

from clearing.cases.rules import CaseKind, Resolution, page_of, transfer_of
from clearing.exchange.booking import (
    Item,
    case_of_unanswered,
    cases_of_claims,
    cases_of_held,
    confirmed_elsewhere,
    confirmed_here,
    held_elsewhere,
    paid_here,
)
from clearing.exchange.messages import DisputeCode
from clearing.exchange.rules import ItemState, state_of_item
from clearing.ledger.rules import Purpose, Transfer
from clearing.verification.context import TransactionId

DAY = date(2026, 9, 15)


@st.composite
def items(draw: st.DrawFn) -> list[Item]:
    count = draw(st.integers(0, 12))
    found = []
    for number in range(1, count + 1):
        code = draw(st.none() | st.sampled_from(DisputeCode))
        amount = draw(st.integers(0, 500))
        found.append(
            Item(
                partner="city-2000",
                package=draw(st.integers(1, 2)),
                number=number,
                transaction=TransactionId(bytes(8), bytes(10), 2, False, number),
                content=bytes(25),
                amount_minor=amount,
                business_day=DAY - timedelta(days=draw(st.integers(0, 1))),
                operator=draw(st.sampled_from(["bus-a", "bus-b"])),
                state=state_of_item(code, amount),
                dispute=code,
            )
        )
    return found


def _sum(transfers: list[Transfer]) -> int:
    return sum(transfer.amount.minor for transfer in transfers)


@given(items())
def test_confirmed_claims_go_to_their_operators(every: list[Item]) -> None:
    transfers = confirmed_here(every)
    for operator in ("bus-a", "bus-b"):
        paid = [t for t in transfers if t.credit == f"operator-payable:{operator}"]
        confirmed = [i for i in every if i.operator == operator and i.state is ItemState.CONFIRMED]
        assert _sum(paid) == sum(item.amount_minor for item in confirmed)
    assert {t.debit for t in transfers} <= {"other-city-payable:city-2000"}
    assert len({t.id for t in transfers}) == len(transfers)
    assert all(t.purpose is Purpose.FOREIGN_FARE and t.amount.minor > 0 for t in transfers)
    assert confirmed_here(every[::-1]) == transfers


@given(items())
def test_what_left_our_cards_is_owed_or_held(every: list[Item]) -> None:
    owed, held = confirmed_elsewhere(every), held_elsewhere(every)
    for state, transfers in ((ItemState.CONFIRMED, owed), (ItemState.DISPUTED, held)):
        assert _sum(transfers) == sum(item.amount_minor for item in every if item.state is state)
    assert {t.debit for t in owed + held} <= {"value-on-cards"}
    assert {t.credit for t in owed} <= {"other-city-payable:city-2000"}
    assert {t.credit for t in held} <= {"open-taps"}
    subjects = cases_of_held(every, keeper="card-company")
    assert [s.amount for s in subjects] == [t.amount for t in held]


@given(items())
def test_every_claim_with_money_that_was_not_confirmed_has_a_case(every: list[Item]) -> None:
    refused = [item for item in every if item.dispute is not None and item.amount_minor]
    subjects = cases_of_claims(every)
    assert [(s.owner, s.amount.minor) for s in subjects] == [(item.operator, item.amount_minor) for item in refused]
    assert all(s.kind is CaseKind.CLAIM_REFUSED for s in subjects)


ITEM = Item(
    partner="city-2000",
    package=7,
    number=3,
    transaction=TransactionId(bytes(8), bytes.fromhex("03109910000000000001"), 2, False, 5),
    content=bytes(25),
    amount_minor=200,
    business_day=DAY,
    operator="bus-a",
    state=ItemState.DISPUTED,
    dispute=DisputeCode.OVERDUE,
)


def test_a_held_claim_ends_with_the_other_city_the_holder_or_us() -> None:
    (subject,) = cases_of_held([ITEM], keeper="card-company")
    ends = {
        resolution: transfer_of(subject, resolution, DAY)
        for resolution in (Resolution.RELEASE, Resolution.REFUSE, Resolution.WRITE_OFF)
    }
    assert {resolution: (t.debit, t.credit, t.purpose) for resolution, t in ends.items() if t} == {
        Resolution.RELEASE: ("open-taps", "other-city-payable:city-2000", Purpose.RELEASE),
        Resolution.REFUSE: ("open-taps", "refunds-owed:03109910000000000001", Purpose.RELEASE),
        Resolution.WRITE_OFF: ("open-taps", "fees", Purpose.RELEASE),
    }


def test_a_refused_claim_is_the_operators_loss_or_the_card_companys() -> None:
    (subject,) = cases_of_claims([ITEM])
    adjusted = transfer_of(subject, Resolution.ADJUST, DAY)
    assert adjusted is not None
    assert (adjusted.debit, adjusted.credit) == ("fees", "operator-payable:bus-a")
    assert transfer_of(subject, Resolution.DISMISS, DAY) is None


def test_what_the_card_company_gave_comes_back_to_it() -> None:
    assert paid_here(ITEM, borne=False).credit == "operator-payable:bus-a"
    assert paid_here(ITEM, borne=True).credit == "fees"


def test_each_case_leads_to_its_package() -> None:
    late = case_of_unanswered("city-2000", 7, amount_minor=200, due=DAY, called="another city", keeper="card-company")
    subjects = [*cases_of_claims([ITEM]), *cases_of_held([ITEM], keeper="card-company"), late]
    assert [page_of(subject.kind, subject.id) for subject in subjects] == [
        "/exchange/out/city-2000/7",
        "/exchange/in/city-2000/7",
        "/exchange/out/city-2000/7",
    ]


def test_a_silence_moves_no_money() -> None:
    late = case_of_unanswered("city-2000", 7, amount_minor=200, due=DAY, called="another city", keeper="card-company")
    assert transfer_of(late, Resolution.EXPLAINED, DAY) is None
