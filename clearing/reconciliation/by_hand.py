"""An entry that no rule finds: one person says what it is, a second one approves, and it is posted like any other."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from backoffice.problems import Refused
from backoffice.two_people import a_second_person
from clearing.participants.rules import City
from clearing.participants.service import city
from clearing.reconciliation import queries, standing, taken_back
from clearing.reconciliation.applying import book_matching, open_targets
from clearing.reconciliation.matching import Match, Matching, by_hand
from clearing.reconciliation.settling import at_bank
from clearing.reconciliation.tables import HandMatchRow

PROPOSED, WITHDRAWN, APPROVED = "proposed", "withdrawn", "approved"


async def propose(
    session: AsyncSession, book: str, reference: str, targets: Sequence[str], *, actor: str, now: datetime
) -> HandMatchRow:
    """The first person. ``targets``: ``kind:id`` each, in the order in which they are filled. Raises ``Refused``."""
    here = await _running(session, book)
    chosen = [name.split(":", 1) for name in targets]
    await _match(session, here, book, reference, chosen)
    row = await _row(session, here, book, reference)
    if row is None:
        row = HandMatchRow(account=here.bank_accounts[book].account.number, reference=reference)
        session.add(row)
    row.targets, row.state = chosen, PROPOSED
    row.proposed_by, row.proposed_at = actor, now
    await session.flush()
    return row


async def withdraw(session: AsyncSession, book: str, reference: str) -> HandMatchRow:
    """Either person, before the approval."""
    row = await _proposed(session, await _running(session, book), book, reference)
    row.state = WITHDRAWN
    await session.flush()
    return row


async def approve(session: AsyncSession, book: str, reference: str, *, actor: str, now: datetime) -> Match:
    """The second person: it is posted, and its case closed. Raises ``Refused``, also where what was chosen is paid now."""
    here = await _running(session, book)
    row = await _proposed(session, here, book, reference)
    a_second_person(actor, first=row.proposed_by, what=f"the match of {reference}")
    found = await _match(session, here, book, reference, row.targets)
    await book_matching(session, here, book, Matching((found,), ()), actor=actor, now=now)
    row.state, row.approved_by = APPROVED, actor
    await session.flush()
    return found


async def proposals(session: AsyncSession, account: str) -> dict[str, HandMatchRow]:
    """Those that wait for the second person, by reference."""
    found = select(HandMatchRow).where(HandMatchRow.account == account, HandMatchRow.state == PROPOSED)
    return {row.reference: row for row in await session.scalars(found)}


async def _running(session: AsyncSession, book: str) -> City:
    here = await city(session)
    at_bank(here, book)
    await standing.running(session, book)
    return here


async def _row(session: AsyncSession, here: City, book: str, reference: str) -> HandMatchRow | None:
    return await session.get(HandMatchRow, (here.bank_accounts[book].account.number, reference))


async def _proposed(session: AsyncSession, here: City, book: str, reference: str) -> HandMatchRow:
    row = await _row(session, here, book, reference)
    if row is None or row.state != PROPOSED:
        detail = f"nobody has said what entry {reference} is"
        raise Refused(409, "Nothing is proposed", detail, reason="hand_match_unknown")
    return row


async def _match(
    session: AsyncSession, here: City, book: str, reference: str, chosen: Sequence[Sequence[str]]
) -> Match:
    entries = {row.reference: queries.entry_of(row) for row in await queries.unmatched(session, book)}
    if reference not in entries:
        detail = f"entry {reference} of {book} is not there, or it is matched"
        raise Refused(409, "No such unmatched entry", detail, reason="entry_not_open")
    every = [*await open_targets(session, here, book), *await taken_back.cancelling(session, here, book)]
    targets = {(str(target.kind), target.id): target for target in every}
    if strangers := [":".join(name) for name in chosen if tuple(name) not in targets]:
        detail = f"{', '.join(strangers)}: not open; choose from what is open"
        raise Refused(409, "Not open", detail, reason="target_not_open")
    found = by_hand(entries[reference], [targets[name[0], name[1]] for name in chosen])
    if found is None:
        detail = f"what was chosen does not take up the {entries[reference].amount_minor} fen of the entry"
        raise Refused(409, "It does not add up", detail, reason="does_not_add_up")
    return found
