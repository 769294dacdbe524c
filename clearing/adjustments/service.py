"""Proposing an adjustment, and deciding about it as another person. An approved one falls into the window open then: nothing
but the ledger is written, and the next window to be frozen gathers what no window holds yet."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy.ext.asyncio import AsyncSession

from backoffice.problems import Refused
from backoffice.states import step
from backoffice.two_people import a_second_person, the_first_person
from clearing.adjustments.queries import adjustment_of, fault_of_corrected, taken_back_by
from clearing.adjustments.rules import (
    LIFE,
    Adjustment,
    AdjustmentEvent,
    AdjustmentState,
    Corrects,
    Fault,
    Reason,
    adjustment_id,
    form_faults,
)
from clearing.adjustments.tables import AdjustmentRow
from clearing.ledger.service import TransfersRefused, post
from clearing.participants.rules import City
from clearing.participants.service import city
from rulebook.money import Amount


async def propose(
    session: AsyncSession,
    *,
    number: str,
    book: str,
    giver: str,
    receiver: str,
    amount_minor: int,
    reason: Reason,
    text: str,
    corrects: Corrects,
    corrected: str,
    actor: str,
    now: datetime,
) -> AdjustmentRow:
    """The first person. The same again changes nothing. Raises ``Refused`` with every fault."""
    here = await city(session)
    debit, credit, faults = _accounts(here, book, giver=giver, receiver=receiver)
    faults += form_faults(
        giver=giver, receiver=receiver, amount_minor=amount_minor, text=text, reason=reason, corrects=corrects
    )
    if corrects is not Corrects.ADJUSTMENT and (fault := await fault_of_corrected(session, corrects, corrected)):
        faults.append({"field": "corrected", "message": fault})
    if faults:
        raise Refused(422, "The adjustment was refused", reason="adjustment_refused", errors=faults)
    wanted = Adjustment(
        number=number,
        book=book,
        giver=giver,
        receiver=receiver,
        debit=debit,
        credit=credit,
        amount=Amount(amount_minor),
        reason=reason,
        text=text.strip(),
        corrects=corrects,
        corrected=corrected,
    )
    return await _put_down(session, wanted, actor=actor, now=now)


async def propose_reversal(
    session: AsyncSession, adjustment: str, *, number: str, text: str, actor: str, now: datetime
) -> AdjustmentRow:
    """The first person: take a posted adjustment back by a new one. Raises ``Refused``."""
    row = await existing(session, adjustment, lock=True)
    if row.state != AdjustmentState.POSTED:
        detail = f"{adjustment} is {row.state}; only what was posted is taken back"
        raise Refused(409, "Nothing was posted", detail, reason="adjustment_not_posted")
    other = await taken_back_by(session, adjustment)
    if other is not None and other.number != number:
        raise Refused(409, "It is taken back already", f"by {other.id}", reason="adjustment_taken_back")
    wanted = adjustment_of(row).reversal(number, _said(text))
    return await _put_down(session, wanted, actor=actor, now=now)


async def approve(session: AsyncSession, adjustment: str, *, actor: str, now: datetime) -> AdjustmentRow:
    """The second person: the entry is posted. The same person's repeat changes nothing. Raises ``Refused``."""
    row = await existing(session, adjustment, lock=True)
    if row.state == AdjustmentState.POSTED and row.decided_by == actor:
        return row
    state = _moved(row, AdjustmentEvent.APPROVE)
    a_second_person(actor, first=row.proposed_by, what=adjustment)
    business_day = (await city(session)).rules().calendar.business_day(now)
    try:
        await post(session, [adjustment_of(row).transfer(business_day)], now=now)
    except TransfersRefused as refused:
        raise Refused(409, "The ledger refuses the entry", str(refused), reason="ledger_refuses") from refused
    row.business_day = business_day
    return await _decided(session, row, state, actor=actor, now=now)


async def refuse(session: AsyncSession, adjustment: str, note: str, *, actor: str, now: datetime) -> AdjustmentRow:
    """The second person does not agree. Raises ``Refused``."""
    row = await existing(session, adjustment, lock=True)
    state = _moved(row, AdjustmentEvent.REFUSE)
    a_second_person(actor, first=row.proposed_by, what=adjustment)
    return await _decided(session, row, state, actor=actor, now=now, note=_said(note))


async def withdraw(session: AsyncSession, adjustment: str, note: str, *, actor: str, now: datetime) -> AdjustmentRow:
    """Who proposed it takes it back. Raises ``Refused``."""
    row = await existing(session, adjustment, lock=True)
    state = _moved(row, AdjustmentEvent.WITHDRAW)
    the_first_person(actor, first=row.proposed_by, what=adjustment)
    return await _decided(session, row, state, actor=actor, now=now, note=_said(note))


async def existing(session: AsyncSession, adjustment: str, *, lock: bool = False) -> AdjustmentRow:
    """Raises ``Refused`` 404."""
    row = await session.get(AdjustmentRow, adjustment, with_for_update=lock or None, populate_existing=lock)
    if row is None:
        detail = f"adjustment is {adjustment!r}"
        raise Refused(404, "There is no such adjustment", detail, reason="adjustment_unknown")
    return row


def _accounts(here: City, book: str, *, giver: str, receiver: str) -> tuple[str, str, list[Fault]]:
    if book not in here.keepers:
        known = ", ".join(sorted(here.keepers))
        return "", "", [{"field": "book", "message": f"is {book!r}; it must be one of {known}"}]
    found = {"giver": here.settlement_account(giver, book), "receiver": here.settlement_account(receiver, book)}
    named = {"giver": giver, "receiver": receiver}
    faults = [
        {"field": field, "message": f"is {named[field]!r}, who has no account to settle by in {book}"}
        for field, code in found.items()
        if code is None
    ]
    return found["giver"] or "", found["receiver"] or "", faults


async def _put_down(session: AsyncSession, wanted: Adjustment, *, actor: str, now: datetime) -> AdjustmentRow:
    known = await session.get(AdjustmentRow, adjustment_id(wanted.number), with_for_update=True)
    if known is not None:
        if adjustment_of(known) != wanted:
            detail = f"number {wanted.number} is taken by another adjustment; give a new number"
            raise Refused(409, "Known with other content", detail, reason="repeated_with_other_content")
        return known
    row = AdjustmentRow(
        id=wanted.id,
        number=wanted.number,
        book=wanted.book,
        giver=wanted.giver,
        receiver=wanted.receiver,
        debit=wanted.debit,
        credit=wanted.credit,
        amount_minor=wanted.amount.minor,
        reason=wanted.reason,
        text=wanted.text,
        corrects=wanted.corrects,
        corrected=wanted.corrected,
        state=AdjustmentState.PROPOSED,
        proposed_by=actor,
        proposed_at=now,
        note="",
    )
    session.add(row)
    await session.flush()
    return row


def _moved(row: AdjustmentRow, event: AdjustmentEvent) -> AdjustmentState:
    """Raises ``Refused``."""
    return step(LIFE, row.id, AdjustmentState(row.state), event, reason=f"adjustment_{row.state}")


async def _decided(
    session: AsyncSession, row: AdjustmentRow, state: AdjustmentState, *, actor: str, now: datetime, note: str = ""
) -> AdjustmentRow:
    row.state, row.decided_by, row.decided_at, row.note = state, actor, now, note
    await session.flush()
    return row


def _said(text: str) -> str:
    if not text.strip():
        raise Refused(422, "A reason must be given", "the text is empty; say why in a sentence", reason="note_missing")
    return text.strip()
