"""Whether a statement follows from what is known. One that does not stops the book: nothing moves on a wrong balance. Pure."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from enum import StrEnum, unique

from clearing.reconciliation.model import BankReport, Entry


@unique
class Wrong(StrEnum):
    OPENING_DIFFERS = "opening_differs"  # from the closing balance of the statement before
    SUM_DIFFERS = "sum_differs"  # opening and entries do not give the closing balance
    ENTRY_REPEATED = "entry_repeated"  # it stood in an earlier statement
    ENTRY_DIFFERS = "entry_differs"  # from what was advised under the same reference
    ENTRY_MISSING = "entry_missing"  # advised as booked by that day


@dataclass(frozen=True, slots=True)
class Fault:
    wrong: Wrong
    detail: str


def faults(
    statement: BankReport, *, last_closing_minor: int, advised: Mapping[str, Entry], stated: Collection[str]
) -> list[Fault]:
    """``last_closing_minor``: of the last right statement, else what the account began with. ``advised``: entries known from
    advices that no statement has confirmed yet; ``stated``: references that one has."""
    assert statement.opening_minor is not None
    assert statement.closing_minor is not None
    assert statement.closed_on is not None
    found = []
    if statement.opening_minor != last_closing_minor:
        detail = f"opening balance is {statement.opening_minor} fen; the last closing balance is {last_closing_minor}"
        found.append(Fault(Wrong.OPENING_DIFFERS, detail))
    reached = statement.opening_minor + statement.moved.minor
    if reached != statement.closing_minor:
        detail = f"opening and entries give {reached} fen; the closing balance is {statement.closing_minor}"
        found.append(Fault(Wrong.SUM_DIFFERS, detail))
    here = {entry.reference: entry for entry in statement.entries}
    found += [Fault(Wrong.ENTRY_REPEATED, reference) for reference in sorted(here) if reference in stated]
    for reference, entry in sorted(advised.items()):
        if reference in here:
            if here[reference].amount_minor != entry.amount_minor:
                detail = f"{reference}: {here[reference].amount_minor} fen; advised were {entry.amount_minor}"
                found.append(Fault(Wrong.ENTRY_DIFFERS, detail))
        elif entry.booked_on <= statement.closed_on:
            found.append(Fault(Wrong.ENTRY_MISSING, f"{reference}: advised as booked on {entry.booked_on}"))
    return found
