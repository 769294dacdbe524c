"""The document of contracts is taken whole or refused, and what has been in force stays as it was."""

from __future__ import annotations

from datetime import date, timedelta
from typing import Any

import pytest

from clearing.participants.contracts import (
    Contracts,
    beyond_cap,
    load_contracts,
)
from clearing.participants.effective import MalformedDocument, unmade
from rulebook.money import ZERO, Amount

DAY = date(2026, 9, 15)
ACCOUNTS = {
    ("transit", "bus-a"): "operator-payable:bus-a",
    ("transit", "agent-1"): "agent-prefunded:agent-1",
    ("transit", "card-company"): "fees",
    ("medical:fund", "hospital-1"): "hospital-payable:hospital-1",
}


def contract(**fields: Any) -> dict[str, Any]:
    return {"participant": "bus-a", "effective_from": "2026-01-01"} | fields


def processing(**fields: Any) -> dict[str, Any]:
    return {"name": "processing", "basis": "fares", "payer": "bus-a", "payee": "card-company"} | fields


def loaded(*contracts: dict[str, Any]) -> Contracts:
    return load_contracts(
        {"version": 1, "contracts": list(contracts)}, accounts=ACCOUNTS, retained=[("transit", "bus-a")]
    )


@pytest.mark.parametrize(("net", "beyond"), [(-1000, 0), (-1001, 1), (5000, 0), (0, 0)])
def test_the_net_debit_cap(net: int, beyond: int) -> None:
    (capped,) = loaded(contract(net_debit_cap_minor=1000)).contracts
    assert beyond_cap(capped, Amount(net)) == Amount(beyond)
    (uncapped,) = loaded(contract()).contracts
    assert beyond_cap(uncapped, Amount(-(10**9))) == ZERO


def test_the_contract_of_the_day_and_book() -> None:
    contracts = loaded(
        contract(effective_to="2026-09-14", net_debit_cap_minor=1),
        contract(effective_from="2026-09-15", net_debit_cap_minor=2),
        contract(participant="hospital-1", book="medical:fund"),
    )
    caps = [contracts.of("bus-a", day) for day in (date(2025, 12, 31), DAY - timedelta(days=1), DAY)]
    assert [each and each.net_debit_cap_minor for each in caps] == [None, 1, 2]
    assert contracts.of("agent-1", DAY) is None
    assert contracts.of("hospital-1", DAY) is None
    assert contracts.of("hospital-1", DAY, book="medical:fund") is not None
    assert [c.participant for c in contracts.in_force_on(DAY)] == ["hospital-1", "bus-a"]


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
        ([contract(charges=[processing(payee="nobody")])], "nobody is no participant with an account in book transit"),
        ([contract(participant="stranger")], "stranger is no participant"),
        ([contract(participant="hospital-1")], "hospital-1 is no participant with an account in book transit"),
        ([contract(charges=[processing(minimum_minor=1.5)])], "minimum_minor"),
        ([contract(charges=[processing(name="Two words")])], "name"),
        (
            [contract(participant="agent-1", charges=[processing(payer="agent-1")])],
            "agent-1 would pay out of agent-prefunded:agent-1, which may not be overdrawn",
        ),
        ([contract(participant="agent-1", hold={"rate": "0.1", "days": 1})], "agent-1 would pay out of"),
        (
            [contract(participant="hospital-1", book="medical:fund", hold={"rate": "0.1", "days": 1})],
            "the keeper of medical:fund has no account retention:hospital-1 for its hold",
        ),
    ],
)
def test_contracts_are_taken_whole_or_refused(documents: list[dict[str, Any]], why: str) -> None:
    with pytest.raises(MalformedDocument, match=why):
        loaded(*documents)


def test_every_fault_is_listed() -> None:
    with pytest.raises(MalformedDocument) as refused:
        loaded(contract(participant="stranger"), contract(charges=[processing(payee="nobody")]))
    assert len(refused.value.faults) == 2


YESTERDAY, TOMORROW = DAY - timedelta(days=1), DAY + timedelta(days=1)
BEGUN = contract(charges=[processing(rate="0.004")])
ENDED = BEGUN | {"effective_to": str(YESTERDAY)}


@pytest.mark.parametrize(
    ("before", "after", "why"),
    [
        ([BEGUN], [BEGUN], None),
        ([BEGUN], [BEGUN | {"effective_to": str(DAY)}], None),
        ([BEGUN], [BEGUN | {"effective_to": str(DAY)}, contract(effective_from=str(TOMORROW))], None),
        ([], [contract(effective_from=str(TOMORROW))], None),
        ([contract(effective_from=str(TOMORROW))], [], None),
        ([BEGUN], [], "has begun; only its effective_to may change"),
        ([BEGUN], [contract(charges=[processing(rate="0.005")])], "has begun; only its effective_to may change"),
        ([BEGUN], [ENDED], "only from and to 2026-09-15 or later"),
        ([ENDED], [BEGUN], "only from and to 2026-09-15 or later"),
        ([ENDED], [ENDED, contract(effective_from=str(DAY))], "is new; it can begin on 2026-09-16"),
        ([contract(effective_from=str(TOMORROW))], [contract()], "is new; it can begin on 2026-09-16"),
    ],
)
def test_what_has_been_in_force_stays(before: list[Any], after: list[Any], why: str | None) -> None:
    faults = unmade(loaded(*before).contracts, loaded(*after).contracts, today=DAY)
    assert bool(faults) == (why is not None)
    assert why is None or why in faults[0]
