"""Openings: one person hands the files in, another one approves, then balances and counters stand."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Sequence
from dataclasses import asdict
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from backoffice.problems import Refused
from backoffice.states import step
from backoffice.two_people import a_second_person, the_first_person
from clearing.files import Files
from clearing.ledger import queries as ledger
from clearing.ledger.rules import NOTHING_MOVED
from clearing.ledger.service import TransfersRefused, post
from clearing.opening.cards import opening_counters
from clearing.opening.counters import counter_rows, write_counters
from clearing.opening.rules import (
    LIFE,
    Control,
    Opening,
    OpeningEvent,
    OpeningFaulty,
    OpeningState,
    read_opening,
)
from clearing.opening.tables import OpeningRow
from clearing.participants.service import city
from clearing.settlement.queries import open_window, windows


async def propose(
    session: AsyncSession,
    files: Files,
    *,
    number: str,
    card_file: bytes,
    account_file: bytes,
    control: Control,
    actor: str,
    now: datetime,
) -> OpeningRow:
    """The first person. Both files are kept as they came. The same again changes nothing. Raises ``Refused``."""
    hashes = [hashlib.sha256(content).digest() for content in (card_file, account_file)]
    if (known := await _known(session, number, hashes, control)) is not None:
        return known
    await _none_waits(session)
    opening = await _read(session, card_file, account_file, control)
    await _first_window_open(session)
    await _nothing_moved(session, opening)
    for content in (card_file, account_file):
        await asyncio.to_thread(files.raw.keep, content)
    row = OpeningRow(
        number=number,
        card_file=hashes[0],
        account_file=hashes[1],
        **asdict(control),
        products=[asdict(product) for product in opening.products],
        sheet=[asdict(line) for line in opening.sheet],
        state=OpeningState.PROPOSED,
        proposed_by=actor,
        proposed_at=now,
        note="",
    )
    session.add(row)
    await session.flush()
    return row


async def approve(session: AsyncSession, files: Files, number: str, *, actor: str, now: datetime) -> OpeningRow:
    """The second person: the balances are posted and the counters in force. The same person's repeat changes nothing. Raises
    ``Refused``."""
    row = await existing(session, number, lock=True)
    if row.state == OpeningState.POSTED and row.decided_by == actor:
        return row
    state = _moved(row, OpeningEvent.APPROVE)
    a_second_person(actor, first=row.proposed_by, what=f"opening {number}")
    card_file, account_file = await asyncio.to_thread(
        lambda: (files.raw.read(row.card_file), files.raw.read(row.account_file))
    )
    opening = await _read(session, card_file, account_file, Control(row.cards, row.balance_minor, row.deposit_minor))
    # On disk before anything says so; whatever fails below leaves files that nothing names.
    counters = await asyncio.to_thread(lambda: write_counters(opening_counters(opening.cards), files.results))
    await _first_window_open(session)
    await _nothing_moved(session, opening)
    business_day = (await city(session)).rules().calendar.business_day(now)
    transfers = opening.transfers(number, business_day=business_day, reference=row.card_file.hex())
    try:
        await post(session, transfers, now=now)
    except TransfersRefused as refused:
        raise Refused(409, "The ledger refuses it", str(refused), reason="ledger_refuses") from refused
    session.add_all(counter_rows(counters))
    row.business_day = business_day
    return await _decided(session, row, state, actor=actor, now=now)


async def refuse(session: AsyncSession, number: str, note: str, *, actor: str, now: datetime) -> OpeningRow:
    """The second person does not agree. Raises ``Refused``."""
    row = await existing(session, number, lock=True)
    state = _moved(row, OpeningEvent.REFUSE)
    a_second_person(actor, first=row.proposed_by, what=f"opening {number}")
    return await _decided(session, row, state, actor=actor, now=now, note=_reason(note))


async def withdraw(session: AsyncSession, number: str, note: str, *, actor: str, now: datetime) -> OpeningRow:
    """Who proposed it takes it back. Raises ``Refused``."""
    row = await existing(session, number, lock=True)
    state = _moved(row, OpeningEvent.WITHDRAW)
    the_first_person(actor, first=row.proposed_by, what=f"opening {number}")
    return await _decided(session, row, state, actor=actor, now=now, note=_reason(note))


async def existing(session: AsyncSession, number: str, *, lock: bool = False) -> OpeningRow:
    """Raises ``Refused`` 404."""
    row = await session.get(OpeningRow, number, with_for_update=lock or None, populate_existing=lock)
    if row is None:
        raise Refused(404, "There is no such opening", f"number is {number!r}", reason="opening_unknown")
    return row


async def openings(session: AsyncSession) -> Sequence[OpeningRow]:
    """The newest first."""
    return (await session.scalars(select(OpeningRow).order_by(OpeningRow.proposed_at.desc()))).all()


async def _read(session: AsyncSession, card_file: bytes, account_file: bytes, control: Control) -> Opening:
    """Raises ``Refused`` with every fault."""
    here = await city(session)
    accounts, ours = here.accounts(), here.rules().our_issuers

    def read() -> Opening:
        return read_opening(card_file, account_file, control, accounts=accounts, our_issuers=ours)

    try:
        # Seconds for a million cards: others are served meanwhile.
        return await asyncio.to_thread(read)
    except OpeningFaulty as faulty:
        detail = f"{len(faulty.faults)} faults; put them right and hand both files in again"
        errors = [asdict(fault) for fault in faulty.faults]
        raise Refused(422, "The opening was refused whole", detail, reason="opening_faulty", errors=errors) from faulty


async def _nothing_moved(session: AsyncSession, opening: Opening) -> None:
    """An opening is the beginning of its books. Raises ``Refused``."""
    keys = {(s.account.book, s.account.code) for book in opening.books for s in await ledger.standings(session, book)}
    standings = await ledger.lock_standings(session, keys)
    if moved := sorted(f"{code} of {book}" for (book, code), s in standings.items() if s.counters != NOTHING_MOVED):
        detail = f"{', '.join(moved)} moved already; opening balances come before everything else of their book"
        raise Refused(409, "The books have begun", detail, reason="books_begun")


async def _first_window_open(session: AsyncSession) -> None:
    """Raises ``Refused``. It stays open until the transaction ends."""
    await open_window(session)
    if [window.state for window in await windows(session)] != ["open"]:
        detail = "a window is frozen or closed; cards are migrated before the first one"
        raise Refused(409, "The first window is over", detail, reason="window_closed")


async def _known(session: AsyncSession, number: str, hashes: list[bytes], control: Control) -> OpeningRow | None:
    """The same opening, proposed before. Raises ``Refused``."""
    row = await session.get(OpeningRow, number, with_for_update=True)
    if row is None:
        return None
    there = Control(row.cards, row.balance_minor, row.deposit_minor)
    if ([row.card_file, row.account_file], there) != (hashes, control):
        detail = f"number {number} is taken by another opening; give a new number"
        raise Refused(409, "Known with other content", detail, reason="repeated_with_other_content")
    return row


async def _none_waits(session: AsyncSession) -> None:
    """Raises ``Refused``."""
    waiting = await session.scalar(select(OpeningRow.number).where(OpeningRow.state == OpeningState.PROPOSED))
    if waiting is not None:
        detail = f"{waiting} waits for its second person; decide about it first"
        raise Refused(409, "Another opening is proposed", detail, reason="opening_proposed")


def _moved(row: OpeningRow, event: OpeningEvent) -> OpeningState:
    """Raises ``Refused``."""
    return step(LIFE, f"opening {row.number}", OpeningState(row.state), event, reason=f"opening_{row.state}")


async def _decided(
    session: AsyncSession, row: OpeningRow, state: OpeningState, *, actor: str, now: datetime, note: str = ""
) -> OpeningRow:
    row.state, row.decided_by, row.decided_at, row.note = state, actor, now, note
    await session.flush()
    return row


def _reason(text: str) -> str:
    if not text.strip():
        raise Refused(422, "A reason must be given", "the text is empty; say why in a sentence", reason="note_missing")
    return text.strip()
