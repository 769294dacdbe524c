"""Payment files: drafted by one person as far as covered, released by another, and only then money is reserved."""

from __future__ import annotations

from datetime import date, datetime, timedelta

from sqlalchemy import insert
from sqlalchemy.ext.asyncio import AsyncSession

from backoffice.problems import Refused
from backoffice.two_people import a_second_person
from clearing.ledger.rules import Phase, Purpose, Transfer
from clearing.ledger.service import TransfersRefused, post
from clearing.participants.banking import BankAccount
from clearing.participants.rules import City
from clearing.participants.service import city
from clearing.reconciliation import queries, standing
from clearing.reconciliation.pain import Payment, PaymentOrder, write
from clearing.reconciliation.progress import FileState, drafted, file_id, progress
from clearing.reconciliation.settling import existing
from clearing.reconciliation.tables import BookRow, PaymentFileRow, PaymentRow
from clearing.reconciliation.xml import MalformedMessage
from rulebook.calendar import BUSINESS_ZONE, Calendar
from rulebook.money import ZERO, Amount


async def draft(session: AsyncSession, number: int, book: str, *, actor: str, now: datetime) -> PaymentFileRow:
    """The first person: a pain.001 for what is covered now and not ordered yet. Raises ``Refused``."""
    here = await city(session)
    await standing.running(session, book)
    row = await existing(session, number, book, lock=True)
    files = await queries.files(session, number, book)
    if (waiting := drafted(files)) is not None:
        detail = f"file {waiting.id} is drafted; release or withdraw it first"
        raise Refused(409, "A payment file is waiting", detail, reason="payment_file_waiting")
    payable = await _payable(session, row)
    name = file_id(number, book, len(files) + 1)
    order = PaymentOrder(
        id=name,
        debtor=here.bank_accounts[book].account,
        execute_on=execution_day(row.settlement_date, now.astimezone(BUSINESS_ZONE).date(), here.rules().calendar),
        made_at=now,
        payments=[
            Payment(id=f"{name}-{place}", participant=who, amount=amount, account=_account(here, who))
            for place, (who, amount) in enumerate(payable.items(), 1)
        ],
    )
    return await _store(session, row, order, actor=actor, now=now)


async def release(session: AsyncSession, file: str, *, actor: str, now: datetime) -> PaymentFileRow:
    """The second person: the money is reserved in the ledger; the file may go to the bank. Raises ``Refused``."""
    here = await city(session)
    row = await _drafted(session, file, go_on_only_if_running=True)
    a_second_person(actor, first=row.drafted_by, what=f"payment file {file}")
    await _refuse_outdated(session, row, today=now.astimezone(BUSINESS_ZONE).date())
    payments = await queries.payments(session, [file])
    try:
        await post(session, [reservation(here, row, payment) for payment in payments], now=now)
    except TransfersRefused as refused:
        detail = f"{refused}; the account at the bank does not hold enough by the books"
        raise Refused(409, "The ledger refuses the payments", detail, reason="ledger_refuses") from refused
    row.state, row.released_by, row.released_at = FileState.RELEASED, actor, now
    await session.flush()
    return row


async def withdraw(session: AsyncSession, file: str) -> PaymentFileRow:
    """Either person, before the release."""
    row = await _drafted(session, file, go_on_only_if_running=False)
    row.state = FileState.WITHDRAWN
    await session.flush()
    return row


def reservation(here: City, file: PaymentFileRow, payment: PaymentRow) -> Transfer:
    """What a released payment holds until the bank shows it."""
    debit = here.settlement_account(payment.participant, file.book)
    assert debit is not None
    return Transfer(
        id=f"payment:{payment.id}",
        book=file.book,
        debit=debit,
        credit=here.bank_accounts[file.book].ledger,
        amount=Amount(payment.amount_minor),
        purpose=Purpose.SETTLEMENT,
        business_day=file.execute_on,
        phase=Phase.PENDING,
        reference=file.id,
    )


def execution_day(settlement_date: date, today: date, calendar: Calendar) -> date:
    """The settlement date; once that is past, today or the next working day."""
    if today <= settlement_date:
        return settlement_date
    return calendar.working_days_after(today - timedelta(days=1), 1)


async def found(session: AsyncSession, file: str, *, lock: bool = False) -> PaymentFileRow:
    """Raises ``Refused`` 404."""
    row = await session.get(PaymentFileRow, file, with_for_update=lock or None, populate_existing=lock)
    if row is None:
        raise Refused(404, "There is no such payment file", f"file is {file}", reason="payment_file_unknown")
    return row


async def released(session: AsyncSession, file: str) -> PaymentFileRow:
    """Raises ``Refused``: what nobody released does not leave the house, and nothing does while the book is stopped."""
    row = await found(session, file)
    await standing.running(session, row.book)
    if row.state != FileState.RELEASED:
        detail = f"file {file} is {row.state}; a second person releases it first"
        raise Refused(409, "The payment file is not released", detail, reason=f"payment_file_{row.state}")
    return row


async def _refuse_outdated(session: AsyncSession, file: PaymentFileRow, *, today: date) -> None:
    """A bank executes nothing yesterday, and what covered the file may have been taken back. Raises ``Refused``."""
    reached = await progress(session, await existing(session, file.window, file.book, lock=True))
    faults = {
        f"its day of execution, {file.execute_on}, is past": file.execute_on < today,
        f"what it was covered by is {-reached.cover} short": reached.cover < ZERO,
        "somebody is beyond the net debit cap again": bool(reached.held),
    }
    if told := [fault for fault, there in faults.items() if there]:
        detail = f"file {file.id}: {'; '.join(told)}; withdraw it and draft a new one"
        raise Refused(409, "The payment file is out of date / 付款文件已过时", detail, reason="payment_file_outdated")


async def _payable(session: AsyncSession, row: BookRow) -> dict[str, Amount]:
    reached = await progress(session, row)
    if reached.held:
        over = ", ".join(f"{leg.participant}: {Amount(leg.held_minor)}" for leg in reached.held)
        detail = f"beyond the net debit cap, to come in first: {over}"
        raise Refused(409, "A net debit cap is exceeded", detail, reason="net_debit_cap_exceeded")
    payable = reached.payable
    if not payable:
        detail = f"the book is {reached.state}; cover is {reached.cover}, still to be paid out {reached.shortfall}"
        raise Refused(409, "Nothing is covered", detail, reason="nothing_covered")
    return payable


async def _store(
    session: AsyncSession, row: BookRow, order: PaymentOrder, *, actor: str, now: datetime
) -> PaymentFileRow:
    try:
        content = write(order)
    except MalformedMessage as error:
        errors = [{"field": "payment", "message": fault} for fault in error.faults]
        raise Refused(
            422, "The payments do not fit a bank's message", str(error), reason="malformed_message", errors=errors
        ) from error
    file = PaymentFileRow(
        id=order.id,
        window=row.window,
        book=row.book,
        state=FileState.DRAFTED,
        content=content,
        total_minor=order.total.minor,
        execute_on=order.execute_on,
        drafted_by=actor,
        drafted_at=now,
    )
    session.add(file)
    await session.flush()
    rows = [
        {
            "id": payment.id,
            "file": order.id,
            "participant": payment.participant,
            "amount_minor": payment.amount.minor,
            "account": payment.account.number,
        }
        for payment in order.payments
    ]
    await session.execute(insert(PaymentRow), rows)
    return file


async def _drafted(session: AsyncSession, file: str, *, go_on_only_if_running: bool) -> PaymentFileRow:
    book = (await found(session, file)).book
    await (standing.running if go_on_only_if_running else standing.locked)(session, book)
    row = await found(session, file, lock=True)
    if row.state != FileState.DRAFTED:
        detail = f"file {file} is {row.state}; only a drafted one is released or withdrawn"
        raise Refused(409, "The payment file is not in that state", detail, reason=f"payment_file_{row.state}")
    return row


def _account(here: City, participant: str) -> BankAccount:
    account = next((p.bank_account for p in here.participants if p.id == participant), None)
    if account is None:
        detail = f"{participant} has no bank account; publish the participants with one"
        raise Refused(409, "A creditor has no bank account", detail, reason="bank_account_missing")
    return account
