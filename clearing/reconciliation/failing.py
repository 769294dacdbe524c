"""A payment that the bank will not execute: two persons give it up, its reservation is voided, and it may be ordered anew.

Should the bank show it all the same, its entry finds nothing and becomes a case.
"""

from __future__ import annotations

from datetime import datetime

from sqlalchemy.ext.asyncio import AsyncSession

from backoffice.problems import Refused
from backoffice.two_people import a_second_person
from clearing.ledger import queries as ledger
from clearing.ledger.rules import Phase, settling
from clearing.ledger.service import post
from clearing.reconciliation import paying, queries, standing
from clearing.reconciliation.matching import TargetKind
from clearing.reconciliation.progress import FileState
from clearing.reconciliation.tables import FailureRow, PaymentFileRow, PaymentRow
from rulebook.calendar import BUSINESS_ZONE


async def propose(session: AsyncSession, payment: str, reason: str, *, actor: str, now: datetime) -> PaymentFileRow:
    """The first person, with what the bank said. Raises ``Refused``."""
    file = await _released(session, payment)
    if not reason.strip():
        raise Refused(422, "A reason must be given", "reason is empty; say what the bank said", reason="reason_missing")
    if await queries.failures(session, [payment]):
        raise Refused(409, "Already proposed", f"payment {payment}: somebody else approves it", reason="failure_known")
    session.add(FailureRow(payment=payment, reason=reason.strip(), proposed_by=actor, proposed_at=now))
    await session.flush()
    return file


async def approve(session: AsyncSession, payment: str, *, actor: str, now: datetime) -> PaymentFileRow:
    """The second person. Raises ``Refused``, also when the bank has shown the payment meanwhile."""
    file = await _released(session, payment)
    failure = (await queries.failures(session, [payment])).get(payment)
    if failure is None or failure.approved_by is not None:
        detail = f"payment {payment}: there is no failure to approve"
        raise Refused(409, "Nothing is proposed", detail, reason="failure_unknown")
    a_second_person(actor, first=failure.proposed_by, what=f"giving up payment {payment}")
    reserved = f"payment:{payment}"
    pending = (await ledger.transfers_by_id(session, [reserved]))[reserved]
    day = now.astimezone(BUSINESS_ZONE).date()
    await post(session, [settling(pending, Phase.VOID, id=f"{reserved}:failed", business_day=day)], now=now)
    failure.approved_by, failure.approved_at = actor, now
    await session.flush()
    return file


async def _released(session: AsyncSession, payment: str) -> PaymentFileRow:
    """The payment's file, under the lock of its book. Raises ``Refused`` unless the bank may still owe us its execution."""
    row = await session.get(PaymentRow, payment)
    if row is None:
        raise Refused(404, "There is no such payment", f"payment is {payment}", reason="payment_unknown")
    file = await paying.found(session, row.file)
    await standing.locked(session, file.book)
    if file.state != FileState.RELEASED or await queries.allocated(session, TargetKind.PAYMENT, [payment]):
        detail = f"payment {payment}: only one that is released and that the bank has not shown can fail"
        raise Refused(409, "The payment is not under way", detail, reason="payment_not_under_way")
    return file
