"""Fees, commissions, minimums, maximums and holds: to the fen, explained, and the same however a month falls into windows."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence
from datetime import date, timedelta
from fractions import Fraction
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clearing.ledger.rules import Phase, Purpose, Transfer
from clearing.participants.activities import Activity, activities_of
from clearing.participants.carrying import plain, read_back
from clearing.participants.charging import NOTHING_RUNNING, Charges, Running, charged, worked
from clearing.participants.contracts import Basis, Charge, Contracts, load_contracts
from clearing.participants.trace import STEPS, Trace
from rulebook.money import Amount

DAY = date(2026, 9, 15)
ACCOUNTS = {
    ("transit", "bus-a"): "operator-payable:bus-a",
    ("transit", "agent-1"): "agent-prefunded:agent-1",
    ("transit", "card-company"): "fees",
}
FARES = ("bus-a", Basis.FARES)


def charge(**fields: Any) -> dict[str, Any]:
    return {"name": "processing", "basis": "fares", "payer": "bus-a", "payee": "card-company"} | fields


def contracts(*charges: dict[str, Any], **fields: Any) -> Contracts:
    of = {"participant": "bus-a", "effective_from": "2026-01-01", "charges": list(charges)} | fields
    return load_contracts({"version": 3, "contracts": [of]}, accounts=ACCOUNTS, retained=[("transit", "bus-a")])


def window(
    of: Contracts,
    number: int = 1,
    day: date = DAY,
    *,
    count: int = 0,
    minor: int = 0,
    net: int = 0,
    running: Running = NOTHING_RUNNING,
) -> Charges:
    return charged(
        number,
        day,
        contracts=of,
        activities={FARES: Activity(count, minor)},
        nets={("transit", "bus-a"): net},
        accounts=ACCOUNTS,
        running=running,
    )


WORKED: list[tuple[dict[str, Any], int, int, list[tuple[str, int]]]] = [
    ({"rate": "0.006"}, 1000, 150_000, [("rate", 900)]),
    ({"rate": "0.006"}, 1, 250, [("rate", 2)]),  # 1.5 fen, half up
    ({"rate": "0.006", "rounding": "down"}, 1, 250, [("rate", 1)]),
    ({"each_minor": 3}, 1000, 150_000, [("each", 3000)]),
    ({"rate": "0.001", "each_minor": 1}, 10, 5000, [("rate", 5), ("each", 10)]),
    ({"rate": "0.001", "minimum_minor": 500}, 10, 5000, [("rate", 5), ("minimum", 495)]),
    ({"rate": "0.001", "minimum_minor": 500}, 0, 0, [("minimum", 500)]),
    ({"rate": "0.01", "maximum_minor": 700}, 9, 90_000, [("rate", 900), ("maximum", -200)]),
    ({"basis": "settlement", "each_minor": 2000}, 0, 0, [("each", 2000)]),
]


@pytest.mark.parametrize(("terms", "count", "minor", "steps"), WORKED)
def test_a_charge_and_why(terms: dict[str, Any], count: int, minor: int, steps: list[Any]) -> None:
    (fee,) = window(contracts(charge(**terms)), count=count, minor=minor).transfers
    trace = Trace.parse(fee.reference)
    assert trace is not None
    assert list(trace.steps) == steps
    assert (fee.amount.minor, trace.charge, trace.version) == (sum(fen for _, fen in steps), "processing", 3)
    assert (fee.debit, fee.credit, fee.purpose) == ("operator-payable:bus-a", "fees", Purpose.FEE)
    assert fee.id == "charge:000001:transit:bus-a:processing"
    assert set(dict(trace.steps)) <= set(STEPS)


def test_nothing_done_and_no_minimum_costs_nothing() -> None:
    assert window(contracts(charge(rate="0.01"))).transfers == ()


def test_a_contract_that_is_not_in_force_costs_nothing() -> None:
    assert window(contracts(charge(minimum_minor=5), effective_to="2026-09-14")).transfers == ()


def test_a_commission_goes_to_the_agent() -> None:
    of = load_contracts(
        {
            "version": 1,
            "contracts": [
                {
                    "participant": "agent-1",
                    "effective_from": "2026-01-01",
                    "charges": [charge(basis="loads", payer="card-company", payee="agent-1", rate="0.003")],
                }
            ],
        },
        accounts=ACCOUNTS,
        retained=(),
    )
    activities = {("agent-1", Basis.LOADS): Activity(2, 10_000)}
    (fee,) = charged(1, DAY, contracts=of, activities=activities, nets={}, accounts=ACCOUNTS).transfers
    assert (fee.debit, fee.credit, fee.amount.minor) == ("fees", "agent-prefunded:agent-1", 30)


@given(
    st.fractions(0, 1),
    st.integers(0, 50),
    st.integers(0, 10**9),
    st.integers(0, 10**6),
    st.integers(0, 5000),
    st.none() | st.integers(0, 10**6),
)
def test_the_steps_sum_to_the_charge_within_its_bounds(
    rate: Fraction, each: int, minor: int, count: int, minimum: int, room: int | None
) -> None:
    maximum = None if room is None else minimum + room
    terms = charge(rate=str(rate), each_minor=each, minimum_minor=minimum, maximum_minor=maximum)
    total = sum(fen for _, fen in worked(Charge.model_validate(terms), Activity(count, minor)))
    assert minimum <= total <= (total if maximum is None else maximum)


MONTHLY: dict[str, Any] = {"period": "month", "rate": "0.0037", "minimum_minor": 800, "maximum_minor": 2000}


def paid(every: Sequence[Charges]) -> int:
    """What bus-a paid in all, by month of the charge."""
    transfers = [transfer for one in every for transfer in one.transfers]
    return sum(t.amount.minor if t.debit == "operator-payable:bus-a" else -t.amount.minor for t in transfers)


def through(of: Contracts, days: Sequence[tuple[date, int]]) -> list[Charges]:
    made: list[Charges] = []
    for number, (day, minor) in enumerate(days, 1):
        running = made[-1].running if made else NOTHING_RUNNING
        made.append(window(of, number, day, count=1, minor=minor, running=running))
    return made


OCTOBER = date(2026, 10, 1)


@given(st.lists(st.tuples(st.integers(1, 30), st.integers(-5000, 200_000)), max_size=12))
def test_a_month_costs_the_same_however_it_falls_into_windows(taps: list[tuple[int, int]]) -> None:
    of = contracts(charge(**MONTHLY))
    split = through(of, [*sorted((date(2026, 9, day), minor) for day, minor in taps), (OCTOBER, 0)])
    whole = through(of, [(date(2026, 9, 30), sum(minor for _, minor in taps)), (OCTOBER, 0)])
    assert paid(split) == paid(whole) if taps else paid(split) == 0
    assert [open_.month for open_ in split[-1].running.months] == [OCTOBER]


@pytest.mark.parametrize(
    ("days", "expected"),
    [
        ([("2026-09-15", 100_000), ("2026-09-16", 100_000), ("2026-10-01", 0)], [370, 370, 60]),  # 740, made up to 800
        ([("2026-09-15", 300_000), ("2026-09-16", 300_000), ("2026-09-17", 300_000)], [1110, 890, 0]),  # at most 2000
        (
            [("2026-09-15", 135), ("2026-09-16", 135)],
            [0, 1],
        ),  # 0.4995 fen, then 0.999 in all: rounded once for the month
        (
            [("2026-09-15", 0), ("2026-11-02", 0), ("2026-12-01", 0)],
            [0, 800, 800],
        ),  # a month without window costs nothing
    ],
)
def test_a_charge_by_the_month(days: list[tuple[str, int]], expected: list[int]) -> None:
    made = through(contracts(charge(**MONTHLY)), [(date.fromisoformat(day), minor) for day, minor in days])
    assert [paid([one]) for one in made] == expected


def test_a_month_ends_with_its_contract() -> None:
    of = contracts(charge(**MONTHLY), effective_to="2026-09-20")
    made = through(of, [(date(2026, 9, 20), 0), (date(2026, 9, 21), 100_000), (date(2026, 9, 22), 100_000)])
    assert [paid([one]) for one in made] == [0, 800, 0]
    assert made[-1].running == NOTHING_RUNNING
    (made_up,) = made[1].transfers
    assert made_up.id == "charge:000002:transit:bus-a:processing:2026-09"


def test_an_open_month_whose_contract_is_gone_is_not_forgotten() -> None:
    running = window(contracts(charge(**MONTHLY)), count=1, minor=500).running
    with pytest.raises(LookupError, match="processing of 2026-09 is open"):
        window(contracts(), 2, DAY + timedelta(days=1), running=running)


def test_a_hold_is_kept_back_of_what_is_paid_out_and_given_back_after_its_days() -> None:
    of = contracts(charge(each_minor=19), hold={"rate": "0.05", "days": 3})
    first = window(of, 1, DAY, count=1, net=10_038)
    (hold,) = [t for t in first.transfers if t.purpose is Purpose.RETENTION]
    assert (hold.debit, hold.credit) == ("operator-payable:bus-a", "retention:bus-a")
    assert hold.amount == Amount(500)  # of 100.38 less the charge of 0.19, rounded down
    second = window(of, 2, DAY + timedelta(days=2), net=-10_000, running=first.running)
    assert (second.transfers, second.running) == ((), first.running)
    third = window(contracts(), 3, DAY + timedelta(days=4), running=second.running)
    (release,) = third.transfers
    assert (release.id, release.debit, release.credit) == (
        "hold:000001:transit:bus-a:release",
        "retention:bus-a",
        "operator-payable:bus-a",
    )
    assert (release.amount, third.running) == (hold.amount, NOTHING_RUNNING)
    assert Trace.parse(hold.reference) is None


@given(st.lists(st.integers(-10_000, 10_000), max_size=8), st.integers(1, 5))
def test_what_is_held_is_given_back_to_the_fen(nets: list[int], days: int) -> None:
    of = contracts(hold={"rate": "0.07", "days": days})
    balance: Counter[str] = Counter()
    running = NOTHING_RUNNING
    for number, net in enumerate([*nets, *[0] * (days + 1)]):
        made = window(of, number, DAY + timedelta(days=number), net=net, running=running)
        running = made.running
        for transfer in made.transfers:
            balance[transfer.debit] -= transfer.amount.minor
            balance[transfer.credit] += transfer.amount.minor
        assert balance["retention:bus-a"] == sum(hold.amount_minor for hold in running.holds)
    assert not any(balance.values())


@given(st.lists(st.tuples(st.integers(1, 40), st.integers(0, 200_000)), max_size=6))
def test_what_is_carried_reads_back(taps: list[tuple[int, int]]) -> None:
    of = contracts(charge(**MONTHLY), hold={"rate": "0.07", "days": 9})
    running = NOTHING_RUNNING
    for number, (day, minor) in enumerate(sorted(taps)):
        made = window(of, number, DAY + timedelta(days=day), count=1, minor=minor, net=minor, running=running)
        running = made.running
        assert read_back(json.loads(json.dumps(plain(running)))) == running


def moved(purpose: Purpose, debit: str, credit: str, minor: int, phase: Phase = Phase.SINGLE) -> Transfer:
    return Transfer(
        id=f"{purpose}:{debit}:{credit}:{minor}",
        book="transit",
        debit=debit,
        credit=credit,
        amount=Amount(minor),
        purpose=purpose,
        business_day=DAY,
        phase=phase,
    )


METRO, OTHER, AGENT = "operator-payable:metro", "operator-payable:metro-2", "agent-prefunded:agent-1"


def test_activity_is_counted_from_the_windows_transfers() -> None:
    fares = moved(Purpose.FARE, "value-on-cards", METRO, 1000)
    transfers = [
        fares,
        moved(Purpose.SUBSIDY, "subsidy-receivable:fund", METRO, 200),
        moved(Purpose.APPORTIONMENT, METRO, OTHER, 300),
        moved(Purpose.RELEASE, "open-taps", METRO, 50),
        moved(Purpose.REFUND, METRO, "refunds-owed:0310", 7),
        moved(Purpose.RELEASE, "open-taps", "value-on-cards", 11),
        moved(Purpose.LOAD, AGENT, "value-on-cards", 5000, Phase.POST),
        moved(Purpose.LOAD, AGENT, "value-on-cards", 6000, Phase.PENDING),
        moved(Purpose.LOAD, AGENT, "value-on-cards", 6000, Phase.VOID),
        moved(Purpose.FOREIGN_FARE, "other-city-payable:city-2000", METRO, 30),
        moved(Purpose.FARE_ELSEWHERE, "value-on-cards", "other-city-payable:city-2000", 40),
        moved(Purpose.SETTLEMENT, METRO, "float-at-bank", 900),
    ]
    expected = {
        ("agent-1", Basis.LOADS): Activity(1, 5000),
        ("city-2000", Basis.FARES): Activity(1, 40),
        ("metro", Basis.FARES): Activity(6, 973),
        ("metro-2", Basis.FARES): Activity(0, 300),
    }
    assert activities_of(transfers, {fares.id: 4}) == expected
    assert activities_of(transfers[::-1], {fares.id: 4}) == expected


@given(st.sampled_from(WORKED), st.integers(0, 99))
def test_a_trace_reads_back(case: Any, before: int) -> None:
    terms, count, minor, _ = case
    steps = (*worked(Charge.model_validate(charge(**terms)), Activity(count, minor)), ("charged-before", -before))
    trace = Trace(2, "transit", "bus-a", DAY, "processing", Activity(count, minor), steps)
    assert Trace.parse(str(trace)) == trace


@pytest.mark.parametrize(
    "reference", ["", "12 records", "BUS-A-0012/7", "contracts v1; hold of window 1 until 2026-09-18"]
)
def test_another_reference_is_no_trace(reference: str) -> None:
    assert Trace.parse(reference) is None
