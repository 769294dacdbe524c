"""Taking what the bank sends: whole or not at all, once, and only what follows from what is known."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, dataclass
from datetime import datetime

from sqlalchemy import insert
from sqlalchemy.ext.asyncio import AsyncSession

from backoffice.problems import Refused
from clearing.opening.queries import began_with
from clearing.participants.rules import City
from clearing.participants.service import city
from clearing.reconciliation import queries, standing
from clearing.reconciliation.breaks import open_new, wrong_statement
from clearing.reconciliation.camt import read_message
from clearing.reconciliation.continuity import faults
from clearing.reconciliation.model import BankReport, Entry, MessageKind
from clearing.reconciliation.paging import Page, joined, missing
from clearing.reconciliation.tables import BankEntryRow, BankPageRow, BankReportRow
from clearing.reconciliation.xml import MalformedMessage

ACCEPTED, WRONG = "accepted", "wrong"


@dataclass(frozen=True, slots=True)
class Waiting:
    """A page was taken; the report waits for its others. ``missing``: which, in words."""

    page: Page
    book: str
    missing: str


async def take(session: AsyncSession, content: bytes, *, actor: str, now: datetime) -> list[BankReportRow | Waiting]:
    """Every statement or advice of the message, in its order. A repeat changes nothing. One whose balance is wrong is kept
    in state ``wrong`` without its entries, and the book stops. One of several pages is judged when the last of them is there.
    Raises ``Refused`` 422 with every fault of the message, 409 for an id that is known with other content."""
    here = await city(session)
    books = {at_bank.account.number: book for book, at_bank in here.bank_accounts.items()}
    try:
        pages = read_message(content)
        if strangers := sorted({page.report.account for page in pages} - set(books)):
            raise MalformedMessage([f"account {number!r} is of no book" for number in strangers])
        whole = {page: joined([page]) for page in pages if page.whole}
        taken: list[BankReportRow | Waiting] = []
        for page in pages:
            book, report, came = books[page.report.account], whole.get(page), content
            if report is None:
                await standing.locked(session, book)
                every, came = await _with_page(session, page, content, actor=actor, now=now)
                if left := missing(every):
                    taken.append(Waiting(page, book, left))
                    continue
                report = joined(every)
            taken.append(await _one(session, here, book, report, came, actor=actor, now=now))
    except MalformedMessage as error:
        raise _malformed(error.faults) from error
    return taken


async def _with_page(
    session: AsyncSession, page: Page, content: bytes, *, actor: str, now: datetime
) -> tuple[list[Page], bytes]:
    """All pages of the report that are there with this one, and the messages they came in. Raises ``Refused`` 409."""
    report = page.report
    rows = {row.number: row for row in await queries.pages(session, report.account, report.kind, report.id)}
    known = rows.get(page.number)
    if known is None:
        rows[page.number] = known = BankPageRow(
            account=report.account,
            kind=report.kind,
            id=report.id,
            number=page.number,
            digest=report.digest(),
            content=content,
            taken_by=actor,
            taken_at=now,
        )
        session.add(known)
        await session.flush()
    elif known.digest != report.digest():
        detail = f"page {page.number} of {report.kind} {report.id} is known with other content; a corrected one has its own id"
        raise Refused(409, "Known with other content", detail, reason="repeated_with_other_content")
    of = (report.account, report.kind, report.id)
    every = [
        found
        for number, row in sorted(rows.items())
        for found in read_message(row.content)
        if (found.report.account, found.report.kind, found.report.id, found.number) == (*of, number)
    ]
    return every, b"\n".join(rows[number].content for number in sorted(rows))


async def _one(
    session: AsyncSession, here: City, book: str, report: BankReport, content: bytes, *, actor: str, now: datetime
) -> BankReportRow:
    lock = await standing.locked(session, book)
    known = await queries.report(session, report.account, report.kind, report.id)
    if known is not None and known.digest != report.digest():
        detail = (
            f"{report.kind} {report.id} of {report.account} is known with other content; a corrected one has its own id"
        )
        raise Refused(409, "Known with other content", detail, reason="repeated_with_other_content")
    if known is not None and known.state == ACCEPTED:
        return known
    wrong = await _wrong(session, here, book, report)
    row = known or BankReportRow(
        account=report.account,
        kind=report.kind,
        id=report.id,
        book=book,
        digest=report.digest(),
        content=content,
        closed_on=report.closed_on,
        opening_minor=report.opening_minor,
        closing_minor=report.closing_minor,
    )
    row.number = await standing.next_number(session, book)
    row.state, row.faults = WRONG if wrong else ACCEPTED, wrong
    row.taken_by, row.taken_at = actor, now
    session.add(row)
    await session.flush()
    if wrong:
        await standing.stop(session, lock, report.id, now=now)
        await open_new(session, [wrong_statement(here, book, report, wrong)], here, actor=actor, now=now)
    else:
        await _store_entries(session, book, report)
    return row


async def _wrong(session: AsyncSession, here: City, book: str, report: BankReport) -> list[str]:
    references = [entry.reference for entry in report.entries]
    known = await queries.entries(session, report.account, references)
    if report.kind is MessageKind.ADVICE:
        return [
            f"entry_differs: {entry.reference}: {entry.amount_minor} fen; known are {known[entry.reference].amount_minor}"
            for entry in report.entries
            if entry.reference in known and known[entry.reference].amount_minor != entry.amount_minor
        ]
    last = await queries.last_statement(session, book)
    before = await began_with(session, book, here.bank_accounts[book]) if last is None else last.closing_minor
    assert before is not None
    found = faults(
        report,
        last_closing_minor=before,
        advised={entry.reference: entry for entry in await queries.advised_only(session, report.account)},
        stated={row.reference for row in known.values() if row.statement is not None},
    )
    return [f"{fault.wrong}: {fault.detail}" for fault in found]


async def _store_entries(session: AsyncSession, book: str, report: BankReport) -> None:
    known = await queries.entries(session, report.account, [entry.reference for entry in report.entries])
    if report.kind is MessageKind.STATEMENT:
        for row in known.values():
            row.statement = report.id
    await session.flush()
    new = [_columns(book, report, entry) for entry in report.entries if entry.reference not in known]
    if new:
        await session.execute(insert(BankEntryRow), new)


def _columns(book: str, report: BankReport, entry: Entry) -> dict[str, object]:
    stated = report.kind is MessageKind.STATEMENT
    return {
        "account": report.account,
        "reference": entry.reference,
        "book": book,
        "amount_minor": entry.amount_minor,
        "booked_on": entry.booked_on,
        "batch": entry.batch,
        "details": [asdict(detail) for detail in entry.details],
        "advice": None if stated else report.id,
        "statement": report.id if stated else None,
    }


def _malformed(found: Iterable[str]) -> Refused:
    errors = [{"field": "message", "message": fault} for fault in found]
    detail = f"{len(errors)} faults; nothing of it was taken"
    return Refused(422, "The bank's message is refused", detail, reason="malformed_message", errors=errors)
