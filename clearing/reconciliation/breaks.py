"""Where bank and books differ: a case with an owner and a deadline. The one door to ``clearing/cases``."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import datetime
from urllib.parse import quote

from sqlalchemy.ext.asyncio import AsyncSession

from clearing.cases.queries import known_ids
from clearing.cases.rules import CaseKind, Subject
from clearing.cases.service import close_vanished, open_cases
from clearing.participants.rules import City
from clearing.reconciliation.model import BankReport, Entry
from rulebook.money import Amount


async def open_new(
    session: AsyncSession, subjects: Sequence[Subject], here: City, *, actor: str, now: datetime
) -> None:
    """One that is known stays with whom it was given to, whoever has that bank account by now."""
    known = await known_ids(session, [subject.id for subject in subjects])
    new = [subject for subject in subjects if subject.id not in known]
    await open_cases(session, new, calendar=here.rules().calendar, actor=actor, now=now)


async def close_those_that_went(
    session: AsyncSession, book: str, still_there: Collection[str], *, actor: str, now: datetime
) -> None:
    """Of that book only: another one's entries may be coming in at this moment."""
    await close_vanished(session, CaseKind.BREAK, still_there, book=book, actor=actor, now=now)


def unmatched_id(account: str, reference: str) -> str:
    return f"break:{account}:{_plain(reference)}"


def unmatched_entry(here: City, book: str, account: str, entry: Entry) -> Subject:
    """The participant whose bank account the money came from or went to sees to it, else the keeper of the book."""
    numbers = {p.bank_account.number: p.id for p in here.participants if p.bank_account is not None}
    owners = [numbers[detail.account] for detail in entry.details if detail.account in numbers]
    said = "; ".join(" ".join(filter(None, (d.name, d.account, d.remittance))) for d in entry.details)
    return Subject(
        id=unmatched_id(account, entry.reference),
        kind=CaseKind.BREAK,
        book=book,
        owner=owners[0] if owners else here.keepers[book],
        amount=Amount(abs(entry.amount_minor)),
        detail=f"{'credit' if entry.amount_minor > 0 else 'debit'} of {entry.booked_on}: {said}",
    )


def wrong_statement_id(account: str, report: str) -> str:
    return f"break:{account}:statement:{_plain(report)}"


def _plain(name: str) -> str:
    """A bank's name may hold a slash; a case's stands in an address. Escaped as there, with a tilde for the percent sign."""
    return quote(name, safe="").replace("~", "%7E").replace("%", "~")


def wrong_statement(here: City, book: str, report: BankReport, faults: Sequence[str]) -> Subject:
    return Subject(
        id=wrong_statement_id(report.account, report.id),
        kind=CaseKind.BREAK,
        book=book,
        owner=here.keepers[book],
        amount=Amount(abs(report.closing_minor or 0)),
        detail="; ".join(faults),
    )
