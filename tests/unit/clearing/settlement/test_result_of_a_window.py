"""A window's result numbers and chains its transfers, and says who stands where."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from itertools import permutations
from typing import Any

import pytest

from clearing.day.parquet import Written
from clearing.ledger.chain import GENESIS, chain
from clearing.ledger.rules import Phase, Purpose, Transfer
from clearing.settlement.encoding import decode, encode
from clearing.settlement.model import Position
from clearing.settlement.positions import add_to_nil, party_of, positions
from clearing.settlement.rules import Opening
from rulebook.calendar import BUSINESS_ZONE
from rulebook.money import Amount

MORNING = datetime(2026, 9, 15, 8, tzinfo=BUSINESS_ZONE)


def _some_taps(town: Any) -> None:
    town.tap(1, 0)
    town.outcome(town.intent(2, 0), tac=bytes(4))
    town.tap(3, 0, device="BUS-B-0001", line="B201")


def _opening(id_: str, minor: int) -> Transfer:
    return Transfer(
        id=id_,
        book="transit",
        debit="float-at-bank",
        credit="agent-prefunded:agent-1",
        amount=Amount(minor),
        purpose=Purpose.PREFUNDING,
        business_day=MORNING.date(),
    )


def test_the_result_reads_back_as_it_was(town: Any) -> None:
    _some_taps(town)
    result = town.window(online=(_opening("o1", 5000),))
    assert decode(encode(result)) == result


def test_transfers_are_numbered_and_chained_in_the_order_of_their_ids(town: Any) -> None:
    _some_taps(town)
    result = town.window(online=(_opening("o1", 5000),))
    links = [numbered.link for numbered in result.transfers]
    assert [link.number for link in links] == list(range(1, len(links) + 1))
    assert links == chain([numbered.transfer for numbered in result.transfers], GENESIS)


def test_positions_add_to_nil_and_name_every_participant_of_a_book(town: Any) -> None:
    _some_taps(town)
    result = town.window()
    assert add_to_nil(result.positions)
    assert {p.participant for p in result.positions if p.book == "medical:employee-fund"} == {
        "employee-fund",
        "hospital-1",
        "hospital-2",
    }


def test_positions_that_do_not_add_up_are_seen() -> None:
    assert not add_to_nil([Position("transit", "a", credits_minor=5), Position("medical:x", "b", debits_minor=5)])
    assert not add_to_nil([Position("transit", "a", paid_minor=5), Position("transit", "b", prepaid_minor=5)])


def test_a_reservation_is_no_position() -> None:
    reserved = replace(_opening("o1", 5), phase=Phase.PENDING)
    assert positions([reserved], parties={}, keepers={"transit": "card-company"}, opening={}) == ()


@pytest.mark.parametrize(
    ("account", "party"),
    [
        ("operator-payable:bus-a", "bus-a"),
        ("agent-prefunded:agent-1", "agent-1"),
        ("value-on-cards", "keeper"),
        ("refunds-owed:03109910", "keeper"),
        ("personal-account:token", "keeper"),
    ],
)
def test_accounts_of_cards_and_persons_count_for_the_keeper(account: str, party: str) -> None:
    assert party_of(account, keeper="keeper") == party


def test_in_what_order_transfers_came_changes_no_byte(town: Any) -> None:
    _some_taps(town)
    online = [_opening(f"o{number}", 1000 * number) for number in (1, 2, 3)]
    assert len({encode(town.window(online=tuple(order))) for order in permutations(online)}) == 1


def test_of_each_bucket_the_newest_counters_are_in_force(town: Any) -> None:
    before = tuple(Written(f"counters/{bucket:02}-before.parquet", 1, "00") for bucket in (0, 3))
    result = town.window(opening=Opening(counters=before))
    assert result.counters == before
