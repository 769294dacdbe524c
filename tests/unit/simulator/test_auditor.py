"""The auditor: what cards did against what the ledger says."""

from __future__ import annotations

import pytest

from simulator.city import auditor
from simulator.city.auditor import Books, Item, ItemKind, LedgerMovement, audit
from simulator.city.witness import Moved, Movement, Witness

CARD = "01991000FFFFFFFF:03109910000000000001"
LOADED = LedgerMovement(f"load:{CARD}:2:00000", 5000)
PAID = LedgerMovement(f"tap:{CARD}:2:00000", 200)


class Purse:
    """A card that answers nothing but its balance."""

    atr = b""

    def __init__(self, balance_minor: int) -> None:
        self._balance = balance_minor.to_bytes(4, "big")

    def reset(self) -> bytes:
        return b""

    def transmit(self, command: bytes) -> bytes:
        return (self._balance if command[1] == 0x5C else b"") + b"\x90\x00"


@pytest.fixture
def cards() -> dict[str, Witness]:
    witness = Witness(Purse(4800))
    witness.moved += [Moved(Movement.LOAD, 0, 5000), Moved(Movement.DEBIT, 0, 200), Moved(Movement.DEBIT, 1, 0)]
    return {CARD: witness}


def test_a_ledger_that_knows_everything_is_explained(cards: dict[str, Witness]) -> None:
    found = audit(
        cards,
        Books(
            (
                LOADED,
                PAID,
            ),
            4800,
        ),
    )
    assert found.explained
    assert found.items == ()


def test_a_debit_not_yet_received_is_named_and_accounts_for_the_difference(cards: dict[str, Witness]) -> None:
    found = audit(cards, Books((LOADED,), 5000))
    assert found.items == (Item(ItemKind.DEBIT_NOT_RECEIVED, PAID.transaction, 200),)
    assert found.explained


def test_a_load_not_yet_confirmed_is_named_and_accounts_for_the_difference(cards: dict[str, Witness]) -> None:
    found = audit(cards, Books((PAID,), -200))
    assert found.items == (Item(ItemKind.LOAD_NOT_CONFIRMED, LOADED.transaction, 5000),)
    assert found.explained


def test_money_moved_for_nothing_is_never_explained(cards: dict[str, Witness]) -> None:
    invented = LedgerMovement(f"tap:{CARD}:2:00007", 300)
    found = audit(
        cards,
        Books(
            (
                LOADED,
                PAID,
                invented,
            ),
            4500,
        ),
    )
    assert [item.kind for item in found.items] == [ItemKind.NEVER_HAPPENED]
    assert not found.explained


def test_another_amount_is_both_missing_and_invented(cards: dict[str, Witness]) -> None:
    found = audit(
        cards,
        Books(
            (
                LOADED,
                LedgerMovement(PAID.transaction, 300),
            ),
            4700,
        ),
    )
    assert {item.kind for item in found.items} == {ItemKind.DEBIT_NOT_RECEIVED, ItemKind.NEVER_HAPPENED}
    assert not found.explained


def test_a_difference_that_no_item_explains_is_not_explained(cards: dict[str, Witness]) -> None:
    assert not audit(
        cards,
        Books(
            (
                LOADED,
                PAID,
            ),
            4801,
        ),
    ).explained


def test_a_card_that_disagrees_with_what_was_seen_is_named(cards: dict[str, Witness]) -> None:
    cards[CARD].card = Purse(4801)
    found = audit(
        cards,
        Books(
            (
                LOADED,
                PAID,
            ),
            4801,
        ),
    )
    assert found.disagreeing == (CARD,)
    assert not found.explained


def test_what_is_released_and_paid_counts_once_and_what_is_paid_twice_is_seen(cards: dict[str, Witness]) -> None:
    rows = [(f"{PAID.transaction}:{purpose}", purpose, "single", 200) for purpose in ("held", "release")]
    assert audit(cards, Books((LOADED, PAID, *auditor._movements(rows)), 4800)).explained
    held_and_paid = audit(cards, Books((LOADED, PAID, *auditor._movements(rows[:1])), 4600))
    assert Item(ItemKind.NEVER_HAPPENED, PAID.transaction, 400) in held_and_paid.items


def test_a_transfer_that_its_records_do_not_add_up_to_is_seen(cards: dict[str, Witness]) -> None:
    found = audit(cards, Books((LOADED, PAID), 4800, ("fares:1:2026-09-15:bus-a:B101:fare",)))
    assert not found.explained
    assert found.disagreeing == ("fares:1:2026-09-15:bus-a:B101:fare",)


def test_only_what_posts_a_load_counts_as_one() -> None:
    pending = f"load:{CARD.lower()}:2:3:1"
    rows = [
        (pending, "load", "pending", 500),
        (f"{pending}/post", "load", "post", 500),
        (f"{pending}/void", "load", "void", 500),
        (f"{PAID.transaction}:subsidy:concession-fund", "subsidy", "single", 80),
    ]
    assert auditor._movements(rows) == [LedgerMovement(f"load:{CARD}:2:00003", 500)]
