"""Fees, commissions, minimums, holds and caps, to the fen and explained."""

from __future__ import annotations

from datetime import date, timedelta
from fractions import Fraction
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clearing.participants.contracts import (
    Activity,
    Basis,
    Contract,
    Contracts,
    MalformedContracts,
    beyond_cap,
    charged,
    held,
    load_contracts,
)
from rulebook.money import ZERO, Amount

DAY = date(2026, 9, 15)
PARTICIPANTS = ("bus-a", "agent-1", "card-company")


def contract(**fields: Any) -> dict[str, Any]:
    return {"participant": "bus-a", "effective_from": "2026-01-01"} | fields


def processing(**fields: Any) -> dict[str, Any]:
    return {"name": "processing", "basis": "fares", "payer": "bus-a", "payee": "card-company"} | fields


def loaded(*contracts: dict[str, Any]) -> Contracts:
    return load_contracts({"contracts": list(contracts)}, participants=PARTICIPANTS)


def only(document: dict[str, Any]) -> Contract:
    found = loaded(document).of("bus-a", DAY)
    assert found is not None
    return found


@pytest.mark.parametrize(
    ("terms", "count", "minor", "expected", "steps"),
    [
        ({"rate": "0.006"}, 1000, 150_000, 900, [("rate", 900)]),
        ({"rate": "0.006"}, 1, 250, 2, [("rate", 2)]),  # 1.5 fen, half up
        ({"rate": "0.006", "rounding": "down"}, 1, 250, 1, [("rate", 1)]),
        ({"each_minor": 3}, 1000, 150_000, 3000, [("each", 3000)]),
        ({"rate": "0.001", "each_minor": 1}, 10, 5000, 15, [("rate", 5), ("each", 10)]),
        ({"rate": "0.001", "minimum_minor": 500}, 10, 5000, 500, [("rate", 5), ("minimum", 495)]),
        ({"rate": "0.001", "minimum_minor": 500}, 0, 0, 500, [("minimum", 500)]),
        ({"rate": "0.01", "maximum_minor": 700}, 9, 90_000, 700, [("rate", 900), ("maximum", -200)]),
    ],
)
def test_a_charge_and_why(terms: dict[str, Any], count: int, minor: int, expected: int, steps: list[Any]) -> None:
    activity = {Basis.FARES: Activity(count, Amount(minor))}
    (one,) = charged(only(contract(charges=[processing(**terms)])), activity)
    assert (one.amount, list(one.steps)) == (Amount(expected), steps)


def test_a_charge_for_the_window_itself() -> None:
    terms = processing(basis="settlement", each_minor=2000)
    (one,) = charged(only(contract(charges=[terms])), {})
    assert one.amount == Amount(2000)


def test_nothing_done_and_no_minimum_costs_nothing() -> None:
    assert charged(only(contract(charges=[processing(rate="0.01")])), {}) == ()


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
    terms = processing(rate=str(rate), each_minor=each, minimum_minor=minimum, maximum_minor=maximum)
    for one in charged(only(contract(charges=[terms])), {Basis.FARES: Activity(count, Amount(minor))}):
        assert sum(fen for _, fen in one.steps) == one.amount.minor
        assert one.amount.minor >= minimum
        assert maximum is None or one.amount.minor <= maximum


def test_a_hold_is_kept_back_of_what_is_paid_out_only() -> None:
    of = only(contract(hold={"rate": "0.05", "days": 30}))
    kept = held(of, Amount(10_019), DAY)
    assert kept is not None
    assert (kept.amount, kept.release_on) == (Amount(500), DAY + timedelta(days=30))
    assert held(of, Amount(-10_019), DAY) is None
    assert held(of, Amount(19), DAY) is None
    assert held(only(contract()), Amount(10_019), DAY) is None


@pytest.mark.parametrize(("net", "beyond"), [(-1000, 0), (-1001, 1), (5000, 0), (0, 0)])
def test_the_net_debit_cap(net: int, beyond: int) -> None:
    assert beyond_cap(only(contract(net_debit_cap_minor=1000)), Amount(net)) == Amount(beyond)
    assert beyond_cap(only(contract()), Amount(-(10**9))) == ZERO


def test_the_contract_of_the_day() -> None:
    contracts = loaded(
        contract(effective_to="2026-09-14", net_debit_cap_minor=1),
        contract(effective_from="2026-09-15", net_debit_cap_minor=2),
    )
    caps = [contracts.of("bus-a", day) for day in (date(2025, 12, 31), DAY - timedelta(days=1), DAY)]
    assert [each and each.net_debit_cap_minor for each in caps] == [None, 1, 2]
    assert contracts.of("agent-1", DAY) is None


@pytest.mark.parametrize(
    ("documents", "why"),
    [
        (
            [contract(), contract(effective_from="2026-09-15")],
            "overlap on 2026-09-15; end the earlier one on 2026-09-14",
        ),
        ([contract(effective_to="2025-01-01")], "effective_to lies before"),
        ([contract(charges=[processing(payee="bus-a")])], "payer and payee are both bus-a"),
        ([contract(charges=[processing(rate=0.5)])], "a text like"),
        ([contract(charges=[processing(minimum_minor=2, maximum_minor=1)])], "maximum_minor is below"),
        ([contract(charges=[processing(), processing()])], "processing are there more than once"),
        ([contract(charges=[processing(payee="nobody")])], "nobody is no participant"),
        ([contract(participant="stranger")], "stranger is no participant"),
        ([contract(charges=[processing(minimum_minor=1.5)])], "minimum_minor"),
    ],
)
def test_contracts_are_taken_whole_or_refused(documents: list[dict[str, Any]], why: str) -> None:
    with pytest.raises(MalformedContracts, match=why):
        loaded(*documents)
