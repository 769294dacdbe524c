"""The deny list as it was at each of its versions."""

from __future__ import annotations

from datetime import UTC, datetime

from clearing.facts.rules import DenyChange, deny_list_of

ISSUER = bytes.fromhex("01991000FFFFFFFF")
AT = datetime(2026, 9, 15, tzinfo=UTC)


def _change(number: int, serial: int, denied: bool = True) -> DenyChange:
    return DenyChange(number=number, issuer=ISSUER, serial=bytes([serial]) * 10, denied=denied, reported_at=AT)


def test_an_empty_list_has_version_nought() -> None:
    assert deny_list_of([]).version == 0


def test_the_version_is_the_number_of_the_last_change_in_any_order() -> None:
    assert deny_list_of([_change(9, 2), _change(4, 1)]).version == 9


def test_a_card_taken_off_stands_on_the_older_version_only() -> None:
    deny = deny_list_of([_change(4, 1), _change(5, 2), _change(9, 1, denied=False)])
    assert [entry.serial[0] for entry in deny.entries(5)] == [1, 2]
    assert [entry.serial[0] for entry in deny.entries()] == [2]
