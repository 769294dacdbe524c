"""A plain set is one whose every transfer the rules accept, and what it adds is what they add."""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from functools import reduce
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from clearing.ledger.accounts import TRANSIT, Kind, account, code, medical_book
from clearing.ledger.columns import (
    TRANSFERS,
    accounts_of,
    checked,
    columns_of,
    plain_changes,
    transfers_of,
)
from clearing.ledger.rules import (
    NOTHING_MOVED,
    Accounts,
    Counters,
    Phase,
    Posted,
    Purpose,
    Standing,
    Transfer,
    added,
    decide_all,
)
from rulebook.money import Amount

DAY = date(2026, 9, 15)
FLOAT, VALUE, AGENT = code(Kind.FLOAT_AT_BANK), code(Kind.VALUE_ON_CARDS), code(Kind.AGENT_PREFUNDED, "a")
OPERATOR, LIMITED = code(Kind.OPERATOR_PAYABLE, "o"), code(Kind.AGENT_WITH_LIMIT, "b")
STANDINGS = {
    (s.account.book, s.account.code): s
    for s in (
        Standing(account(TRANSIT, Kind.FLOAT_AT_BANK), Counters(debits_posted=100)),
        Standing(account(TRANSIT, Kind.VALUE_ON_CARDS)),
        Standing(account(TRANSIT, Kind.AGENT_PREFUNDED, "a"), Counters(credits_posted=100, debits_pending=20)),
        Standing(account(TRANSIT, Kind.AGENT_WITH_LIMIT, "b", limit_minor=50)),
        Standing(account(TRANSIT, Kind.OPERATOR_PAYABLE, "o")),
        Standing(account(medical_book("f"), Kind.FUND_POOL), Counters(credits_posted=10)),
        Standing(account(medical_book("f"), Kind.HOSPITAL_PAYABLE, "h")),
    )
}
FARE = Transfer(
    id="t", book=TRANSIT, debit=VALUE, credit=OPERATOR, amount=Amount(30), purpose=Purpose.FARE, business_day=DAY
)

CODES = st.sampled_from([FLOAT, VALUE, AGENT, LIMITED, OPERATOR, "fund-pool", "hospital-payable:h", "fees"])
ANY = st.builds(
    Transfer,
    id=st.text(min_size=0, max_size=3),
    book=st.sampled_from([TRANSIT, medical_book("f")]),
    debit=CODES,
    credit=CODES,
    amount=st.builds(Amount, st.integers(-1, 40)),
    purpose=st.sampled_from(Purpose),
    business_day=st.dates(),
    phase=st.sampled_from([Phase.SINGLE] * 9 + list(Phase)),
    pending_id=st.sampled_from(["", "", "", "p"]),
    reference=st.text(max_size=5),
    expires_on=st.none() | st.dates(),
)
PAIRS = [(VALUE, OPERATOR), (AGENT, VALUE), (LIMITED, VALUE), (OPERATOR, FLOAT)]


@st.composite
def fares(draw: st.DrawFn) -> list[Transfer]:
    """Simple transfers with ids of their own; limits may be hit."""
    sides = draw(st.lists(st.tuples(st.sampled_from(PAIRS), st.integers(1, 40)), min_size=1, max_size=12))
    return [
        replace(FARE, id=f"t{n}", debit=debit, credit=credit, amount=Amount(minor))
        for n, ((debit, credit), minor) in enumerate(sides)
    ]


@given(st.lists(ANY, max_size=10))
def test_transfers_come_back_out_of_their_columns(transfers: list[Transfer]) -> None:
    assert transfers_of(columns_of(transfers)) == transfers


@given(st.lists(ANY, min_size=1, max_size=10) | fares())
def test_what_is_plain_is_accepted_and_adds_what_the_rules_add(transfers: list[Transfer]) -> None:
    changes = plain_changes(columns_of(transfers), STANDINGS)
    decisions, after = decide_all(transfers, Accounts(STANDINGS))
    if changes is not None:
        assert decisions == [Posted(transfer) for transfer in transfers]
        for key, standing in STANDINGS.items():
            assert after.standings[key].counters == added(standing.counters, changes.get(key, NOTHING_MOVED))


@given(fares())
def test_simple_transfers_within_every_limit_are_plain(transfers: list[Transfer]) -> None:
    spent = {
        side: reduce(
            lambda total, t: total + t.amount.minor,
            (t for t in transfers if getattr(t, side[0]) == side[1]),
            0,
        )
        for side in (("debit", AGENT), ("debit", LIMITED), ("credit", FLOAT))
    }
    room = {("debit", AGENT): 80, ("debit", LIMITED): 50, ("credit", FLOAT): 100}
    within = all(spent[side] <= room[side] for side in room)
    assert (plain_changes(columns_of(transfers), STANDINGS) is not None) == within


@pytest.mark.parametrize(
    "changed",
    [
        {"id": ""},
        {"id": "other"},
        {"amount": Amount(0)},
        {"credit": VALUE},
        {"phase": Phase.PENDING},
        {"phase": Phase.POST, "pending_id": "p"},
        {"expires_on": DAY},
        {"pending_id": "p"},
        {"debit": "fees"},
        {"credit": "fees"},
        {"book": medical_book("f")},
        {"debit": AGENT, "amount": Amount(81)},
        {"amount": Amount(2**63 - 1)},
    ],
    ids=str,
)
def test_one_unusual_transfer_makes_the_set_one_to_be_looked_at(changed: dict[str, Any]) -> None:
    plain = [replace(FARE, id="other"), FARE]
    assert plain_changes(columns_of(plain), STANDINGS) is not None
    assert plain_changes(columns_of([plain[0], replace(FARE, **changed)]), STANDINGS) is None


def test_a_purpose_nobody_knows_is_not_plain() -> None:
    table = columns_of([FARE])
    unknown = table.set_column(table.column_names.index("purpose"), "purpose", pa.array(["gift"]))
    assert plain_changes(unknown, STANDINGS) is None
    with pytest.raises(ValueError, match="gift"):
        transfers_of(unknown)


def test_the_accounts_of_a_set_are_those_it_names() -> None:
    assert accounts_of(columns_of([FARE, replace(FARE, book="b", debit="x")])) == {
        (TRANSIT, VALUE),
        (TRANSIT, OPERATOR),
        ("b", "x"),
        ("b", OPERATOR),
    }


def test_columns_in_another_order_and_width_are_put_right() -> None:
    table = columns_of([FARE])
    narrow = table.set_column(table.column_names.index("amount_minor"), "amount_minor", pa.array([30], pa.int32()))
    assert checked(narrow.select(list(reversed(TRANSFERS.names)))).equals(table)


@pytest.mark.parametrize(
    ("table", "said"),
    [
        (columns_of([FARE]).drop_columns(["purpose", "id"]), "columns id, purpose are missing"),
        (
            columns_of([FARE]).drop_columns(["pending_id"]).append_column("pending_id", pa.nulls(1, pa.string())),
            "columns pending_id have nulls",
        ),
    ],
    ids=["missing", "null"],
)
def test_columns_that_are_no_transfers_are_named(table: pa.Table, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        checked(table)
