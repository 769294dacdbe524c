"""The chain of a window: independent of arrival, broken by any change."""

from __future__ import annotations

import hashlib
import json
from dataclasses import replace
from datetime import date
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clearing.ledger.chain import GENESIS, Link, canonical, chain, read_back
from clearing.ledger.rules import Phase, Purpose, Transfer
from rulebook.money import Amount

ONE = Transfer(
    id="a",
    book="transit",
    debit="value-on-cards",
    credit="operator-payable:bus-a",
    amount=Amount(100),
    purpose=Purpose.FARE,
    business_day=date(2026, 9, 15),
)
SEVERAL = [replace(ONE, id=name, amount=Amount(index + 1)) for index, name in enumerate("dacb")]


def test_the_canonical_form_is_fixed() -> None:
    assert canonical(ONE) == (
        b'{"amount_minor":100,"book":"transit","business_day":"2026-09-15","credit":"operator-payable:bus-a",'
        b'"currency":"CNY","debit":"value-on-cards","id":"a","pending_id":"","phase":"single","purpose":"fare",'
        b'"reference":""}'
    )


def test_the_day_of_expiry_stands_in_the_canonical_form_only_where_there_is_one() -> None:
    expiring = replace(ONE, phase=Phase.PENDING, expires_on=date(2026, 9, 18))
    assert canonical(expiring) == (
        canonical(ONE).replace(b'"id"', b'"expires_on":"2026-09-18","id"').replace(b"single", b"pending")
    )


@pytest.mark.parametrize("transfer", [ONE, replace(ONE, phase=Phase.PENDING, expires_on=date(2026, 9, 18))])
def test_the_canonical_form_is_read_back(transfer: Transfer) -> None:
    assert read_back(json.loads(canonical(transfer))) == transfer


def test_a_link_hashes_the_one_before_and_the_transfer() -> None:
    first, second = chain([ONE, replace(ONE, id="b")])
    assert first == Link(1, "a", hashlib.sha256(bytes(32) + canonical(ONE)).digest())
    assert second.hash == hashlib.sha256(first.hash + canonical(replace(ONE, id="b"))).digest()


@given(st.permutations(SEVERAL))
def test_arrival_changes_nothing(order: list[Transfer]) -> None:
    assert chain(order) == chain(SEVERAL)
    assert [link.transfer_id for link in chain(order)] == ["a", "b", "c", "d"]


def test_windows_follow_one_another() -> None:
    first = chain(SEVERAL[:2])
    assert chain(SEVERAL[2:], first[-1])[0].number == 3
    assert chain([], first[-1]) == []
    assert GENESIS.number == 0


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("id", "aa"),
        ("book", "medical:f"),
        ("debit", "fees"),
        ("credit", "fees"),
        ("amount", Amount(101)),
        ("purpose", Purpose.REFUND),
        ("business_day", date(2026, 9, 16)),
        ("phase", Phase.PENDING),
        ("pending_id", "p"),
        ("reference", "r"),
    ],
)
def test_every_field_is_under_the_hash(field: str, value: Any) -> None:
    assert chain([replace(ONE, **{field: value})])[0].hash != chain([ONE])[0].hash
