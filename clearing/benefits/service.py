"""The fund's door for a hospital desk: one request, one answer, and a repeat has no second effect."""

from __future__ import annotations

import hashlib
from collections.abc import Awaitable, Callable
from datetime import datetime
from typing import Any

from sqlalchemy import update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from clearing.benefits import queries, settlements, visits
from clearing.benefits.office import Desk, FundOffice, MedicalRefused
from clearing.benefits.presence import take_challenge
from clearing.benefits.reconciliation import Totals, compare_rows, compare_totals, repeated, totals
from clearing.benefits.tables import MessageRow, SettlementRow
from rulebook.calendar.calendar import BUSINESS_ZONE
from rulebook.messages.base import Message
from rulebook.messages.medical import (
    ANSWERS,
    Answer,
    DetailInput,
    DetailOutput,
    FileInfo,
    Infno,
    MedicalRefusal,
    ReconciliationRow,
    Request,
    ReversalInput,
    ReversalOutput,
    StatementInfo,
    StatementResult,
    TotalsInput,
    TotalsOutput,
    parse,
    to_wire,
)
from rulebook.messages.medical_values import LOCAL_FORMAT
from rulebook.money import Amount

# These change nothing: they are answered anew each time.
_WITHOUT_EFFECT = {Infno.PRE_SETTLE, Infno.TOTAL_RECONCILIATION, Infno.DETAIL_RECONCILIATION}


async def take_presence(session: AsyncSession, desk: Desk, request: Request[Any], now: datetime) -> None:
    """The first half of a request that carries a presence proof, in a transaction of its own that is committed before
    ``handle``. Raises ``MedicalRefused``."""
    _own_institution(desk, request)
    if request.presence is not None:
        await take_challenge(session, desk, request.presence.challenge, content_hash(request), now)


async def handle(
    session: AsyncSession, office: FundOffice, desk: Desk, request: Request[Any], now: datetime
) -> Answer[Any]:
    """Answer one national message. Raises ``MedicalRefused``; nothing was done then."""
    _own_institution(desk, request)
    if request.infno in _WITHOUT_EFFECT:
        return _answer(request, await _output(session, office, desk, request, now), now)
    if (known := await _begin(session, desk, request, now)) is not None:
        return known
    answer = _answer(request, await _output(session, office, desk, request, now), now)
    await session.execute(
        update(MessageRow)
        .where(MessageRow.device == desk.device, MessageRow.msgid == request.msgid)
        .values(answer=to_wire(answer).decode())
    )
    return answer


def content_hash(request: Request[Any]) -> bytes:
    """SHA-256 of the message as it goes over the wire."""
    return hashlib.sha256(to_wire(request)).digest()


def _own_institution(desk: Desk, request: Request[Any]) -> None:
    if request.fixmedins_code != desk.institution:
        detail = f"{desk.device} stands at {desk.institution}, the message says {request.fixmedins_code}"
        raise MedicalRefused(MedicalRefusal.WRONG_INSTITUTION, detail)


async def _begin(session: AsyncSession, desk: Desk, request: Request[Any], now: datetime) -> Answer[Any] | None:
    """Take the id for this request; the earlier answer where it was taken by an equal one. Two at once wait here."""
    if await _take_id(session, desk, request.msgid, request.infno, content_hash(request), now, reversed_=False):
        return None
    row = await session.get_one(MessageRow, (desk.device, request.msgid), populate_existing=True)
    if row.reversed:
        raise MedicalRefused(MedicalRefusal.REVERSED_BEFORE)
    if row.content_hash != content_hash(request) or row.answer is None:
        raise MedicalRefused(MedicalRefusal.REPEATED_WITH_OTHER_CONTENT, f"msgid {request.msgid}")
    return parse(ANSWERS[request.infno], row.answer)


async def _take_id(
    session: AsyncSession, desk: Desk, msgid: str, infno: Infno, content: bytes, now: datetime, *, reversed_: bool
) -> bool:
    new = insert(MessageRow).values(
        device=desk.device,
        msgid=msgid,
        infno=infno.value,
        content_hash=content,
        answer=None,
        reversed=reversed_,
        received_at=now,
    )
    taken = await session.execute(new.on_conflict_do_nothing().returning(MessageRow.msgid))
    return taken.scalar() is not None


def _answer(request: Request[Any], output: Message, now: datetime) -> Answer[Any]:
    return ANSWERS[request.infno](inf_refmsgid=request.msgid, respond_time=now, output=output)


async def _output(
    session: AsyncSession, office: FundOffice, desk: Desk, request: Request[Any], now: datetime
) -> Message:
    handlers: dict[Infno, Callable[[], Awaitable[Message]]] = {
        Infno.PERSON: lambda: visits.person(session, office, request, content=content_hash(request), now=now),
        Infno.REGISTER: lambda: visits.register(session, office, desk, request, now=now),
        Infno.FEE_LINES: lambda: visits.add_fee_lines(session, office, desk, request),
        Infno.PRE_SETTLE: lambda: settlements.quote(session, office, desk, request, now=now),
        Infno.SETTLE: lambda: settlements.settle(session, office, desk, request, now=now),
        Infno.SETTLE_CANCEL: lambda: settlements.cancel(session, office, desk, request, now=now),
        Infno.REVERSAL: lambda: _reverse(session, desk, request, now),
        Infno.TOTAL_RECONCILIATION: lambda: _reconcile_totals(session, desk, request),
        Infno.DETAIL_RECONCILIATION: lambda: _reconcile_rows(session, desk, request, now),
    }
    return await handlers[request.infno]()


async def _reverse(session: AsyncSession, desk: Desk, request: Request[ReversalInput], now: datetime) -> ReversalOutput:
    """Take back an unanswered settlement. Where it never came, its id is taken so that it cannot come later."""
    data = request.input.data
    if data.oinfno is not Infno.SETTLE:
        raise MedicalRefused(MedicalRefusal.NOT_REVERSIBLE, f"{data.oinfno.value} {data.omsgid}")
    if await _take_id(session, desk, data.omsgid, data.oinfno, bytes(32), now, reversed_=True):
        return ReversalOutput()
    row = await session.get_one(MessageRow, (desk.device, data.omsgid), populate_existing=True)
    if row.infno != data.oinfno:
        raise MedicalRefused(MedicalRefusal.NOT_REVERSIBLE, f"{data.omsgid} was {row.infno}, not {data.oinfno.value}")
    settlement = await queries.standing_settlement(session, desk.institution, data.omsgid)
    if settlement is not None:
        if settlement.person != data.psn_no:
            raise MedicalRefused(MedicalRefusal.WRONG_PERSON)
        await settlements.take_back(session, settlement, request, now=now)
    row.reversed = True
    await session.flush()
    return ReversalOutput()


async def _reconcile_totals(session: AsyncSession, desk: Desk, request: Request[TotalsInput]) -> TotalsOutput:
    data = request.input.data

    def in_group(row: SettlementRow) -> bool:
        return row.insurance_type == data.insutype and row.care == data.clr_type

    settled = await queries.settled_between(session, desk.institution, data.stmt_begndate, data.stmt_enddate)
    cancelled = await queries.cancelled_between(session, desk.institution, data.stmt_begndate, data.stmt_enddate)
    ours = totals([*_rows(filter(in_group, settled), 1), *_rows(filter(in_group, cancelled), -1)])
    theirs = Totals(data.medfee_sumamt, data.fund_pay_sumamt, data.acct_pay, data.fixmedins_setl_cnt)
    faults = compare_totals(theirs, ours)
    info = StatementInfo(
        setl_optins=data.setl_optins,
        stmt_rslt=StatementResult.DIFFERENT if faults else StatementResult.BALANCED,
        stmt_rslt_dscr="; ".join(faults)[:200],
    )
    return TotalsOutput(stmtinfo=info)


async def _reconcile_rows(
    session: AsyncSession, desk: Desk, request: Request[DetailInput], now: datetime
) -> DetailOutput:
    data, rows = request.input.data, request.input.rows
    _refuse_inconsistent(request.input)
    settled = await queries.settled_between(session, desk.institution, data.stmt_begndate, data.stmt_enddate)
    cancelled = await queries.cancelled_between(session, desk.institution, data.stmt_begndate, data.stmt_enddate)
    info = FileInfo(
        file_qury_no=data.file_qury_no,
        filename=f"{data.file_qury_no}.txt",
        dld_endtime=now.astimezone(BUSINESS_ZONE).strftime(LOCAL_FORMAT),
    )
    return DetailOutput(fileinfo=info, rows=compare_rows(rows, [*_rows(settled, 1), *_rows(cancelled, -1)]))


def _refuse_inconsistent(sent: DetailInput) -> None:
    """The message's totals are those of its own rows; cash is what neither fund nor account paid."""
    if twice := repeated(sent.rows):
        raise MedicalRefused(MedicalRefusal.TOTAL_DIFFERS, f"listed twice: {', '.join(twice)}")
    data = sent.data
    account = data.medfee_sumamt - data.fund_pay_sumamt - data.cash_payamt
    stated = Totals(data.medfee_sumamt, data.fund_pay_sumamt, account, data.fixmedins_setl_cnt)
    if faults := compare_totals(stated, totals(sent.rows)):
        raise MedicalRefused(MedicalRefusal.TOTAL_DIFFERS, "totals against rows, " + "; ".join(faults))


def _rows(settlements_: Any, sign: int) -> list[ReconciliationRow]:
    return [
        ReconciliationRow(
            setl_id=row.setl_id,
            mdtrt_id=row.mdtrt_id,
            psn_no=row.person,
            medfee_sumamt=Amount(sign * row.total),
            fund_pay_sumamt=Amount(sign * (row.fund + row.top_up)),
            acct_pay=Amount(sign * row.account),
            refd_setl_flag="1" if sign < 0 else "0",
        )
        for row in settlements_
    ]
