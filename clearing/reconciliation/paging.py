"""A statement or advice that the bank sends in several pages: taken whole once all of them are there. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, replace

from clearing.reconciliation.model import BankReport, MessageKind
from clearing.reconciliation.xml import MalformedMessage


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """``report``: what this page says of it, balances None where it gives none. ``number`` from 1; ``last``: none follows."""

    report: BankReport
    number: int
    last: bool

    @property
    def whole(self) -> bool:
        return self.number == 1 and self.last


def missing(pages: Iterable[Page]) -> str:
    """Which pages are still to come, in words; empty once all are there."""
    last = {page.number: page.last for page in pages}
    gaps = [str(number) for number in range(1, max(last) + 1) if number not in last]
    return ", ".join(gaps if any(last.values()) else [*gaps, f"{max(last) + 1} and on"])


def joined(pages: Iterable[Page]) -> BankReport:
    """The report that all of its pages, in any order, make. Raises ``MalformedMessage`` with every fault."""
    every = sorted(pages, key=lambda page: page.number)
    first = every[0].report
    faults = [f"{first.id}: page {page.number} is the last, and another follows" for page in every[:-1] if page.last]
    entries = tuple(entry for page in every for entry in page.report.entries)
    twice = [name for name, count in Counter(entry.reference for entry in entries).items() if count > 1]
    faults += [f"{first.id}: bank reference {name} is on more than one entry" for name in twice]
    openings = {page.report.opening_minor for page in every} - {None}
    closings = {(page.report.closing_minor, page.report.closed_on) for page in every if page.report.closed_on}
    if first.kind is MessageKind.STATEMENT:
        faults += [*_one(first.id, "OPBD", len(openings)), *_one(first.id, "CLBD", len(closings))]
    if faults:
        raise MalformedMessage(faults)
    opening = next(iter(openings), None)
    closing, closed_on = next(iter(closings), (None, None))
    return replace(first, opening_minor=opening, closing_minor=closing, closed_on=closed_on, entries=entries)


def _one(id_: str, code: str, count: int) -> list[str]:
    return [] if count == 1 else [f"{id_}: {count} balances {code}; a statement has exactly one"]
