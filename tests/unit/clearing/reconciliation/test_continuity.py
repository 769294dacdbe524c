"""A statement that does not follow from what is known is wrong, with every reason."""

from __future__ import annotations

from dataclasses import replace
from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clearing.reconciliation.continuity import Wrong, faults
from clearing.reconciliation.model import BankReport, Entry, MessageKind

DAY = date(2026, 9, 16)


def entry(reference: str, minor: int) -> Entry:
    return Entry(reference=reference, amount_minor=minor, booked_on=DAY, batch="", details=())


def statement(opening: int, closing: int, *entries: Entry) -> BankReport:
    return BankReport(
        kind=MessageKind.STATEMENT,
        id="S1",
        account="1",
        closed_on=DAY,
        opening_minor=opening,
        closing_minor=closing,
        entries=entries,
    )


RIGHT = statement(100, 60, entry("a", 20), entry("b", -60))
CASES = [
    (RIGHT, {}, set(), []),
    (RIGHT, {"a": entry("a", 20)}, set(), []),
    (replace(RIGHT, closing_minor=61), {}, set(), [Wrong.SUM_DIFFERS]),
    (replace(RIGHT, opening_minor=101, closing_minor=61), {}, set(), [Wrong.OPENING_DIFFERS]),
    (replace(RIGHT, opening_minor=99), {}, set(), [Wrong.OPENING_DIFFERS, Wrong.SUM_DIFFERS]),
    (RIGHT, {}, {"b"}, [Wrong.ENTRY_REPEATED]),
    (RIGHT, {"a": entry("a", 19)}, set(), [Wrong.ENTRY_DIFFERS]),
    (RIGHT, {"z": entry("z", 5)}, set(), [Wrong.ENTRY_MISSING]),
    (RIGHT, {"z": replace(entry("z", 5), booked_on=date(2026, 9, 17))}, set(), []),
]


@pytest.mark.parametrize(("found", "advised", "stated", "expected"), CASES)
def test_each_way_of_being_wrong_has_its_name(
    found: BankReport, advised: dict[str, Entry], stated: set[str], expected: list[Wrong]
) -> None:
    assert [fault.wrong for fault in faults(found, last_closing_minor=100, advised=advised, stated=stated)] == expected


@given(st.integers(-(10**15), 10**15), st.lists(st.integers(-(10**12), 10**12)), st.integers(-3, 3))
def test_wrong_finalisation_balance_is_seen_to_the_fen(opening: int, moved: list[int], adrift: int) -> None:
    """Regression of others: a closing balance a cent adrift was taken as it was."""
    entries = [entry(str(number), minor) for number, minor in enumerate(moved)]
    made = statement(opening, opening + sum(moved) + adrift, *entries)
    assert bool(faults(made, last_closing_minor=opening, advised={}, stated=set())) == bool(adrift)
