"""Settlement and bank as the API and the pages show them. Amounts in fen."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from typing import Any

from pydantic import BaseModel
from sqlalchemy.ext.asyncio import AsyncSession

from clearing.ledger import queries as ledger
from clearing.opening.queries import began_with
from clearing.participants.rules import City
from clearing.reconciliation import queries
from clearing.reconciliation.applying import booked
from clearing.reconciliation.continuity import Wrong
from clearing.reconciliation.intake import WRONG, Waiting
from clearing.reconciliation.matching import Matching, MatchRule, TargetKind
from clearing.reconciliation.progress import BookProgress, Direction, progress
from clearing.reconciliation.standing import BankState
from clearing.reconciliation.tables import BankReportRow, BookRow, PaymentFileRow
from clearing.settlement import queries as windows
from clearing.settlement.life import BookState
from clearing.settlement.model import WindowState

WAITING = "waiting"  # for other pages of the same statement
STATES: dict[str, tuple[str, str, str]] = {
    BookState.CLOSED: ("待开始", "not begun", "wait"),
    BookState.PENDING: ("结算中", "pending", "wait"),
    BookState.ABORTING: ("待复核中止", "abort to be approved", "wait"),
    BookState.SETTLED: ("已结清", "settled", "good"),
    BookState.ABORTED: ("已中止", "aborted", "bad"),
    BankState.RUNNING: ("正常", "running", "good"),
    BankState.STOPPED: ("已停止", "stopped", "bad"),
    BankState.LIFTING: ("待复核恢复", "lifting to be approved", "wait"),
    "drafted": ("待复核放行", "drafted", "wait"),
    "released": ("已放行", "released", "good"),
    "withdrawn": ("已撤回", "withdrawn", "bad"),
    "accepted": ("已接受", "accepted", "good"),
    WRONG: ("余额不符", "wrong", "bad"),
    WAITING: ("待齐页", "waiting for its other pages", "wait"),
}
RULES: dict[str, tuple[str, str]] = {
    MatchRule.END_TO_END: ("端到端标识", "end-to-end id"),
    MatchRule.RETURNED: ("付款退回", "payment returned"),
    MatchRule.BATCH: ("整批付款", "whole payment file"),
    MatchRule.CALL_REFERENCE: ("附言中的缴款号", "call named in the remittance"),
    MatchRule.ACCOUNT_AND_AMOUNT: ("对方账号与金额", "account and amount"),
    MatchRule.ACCOUNT_AND_SUM: ("对方账号与合计", "account and sum"),
    MatchRule.BOOKED_REFERENCE: ("已记账分录号", "booked transfer named"),
    MatchRule.BOOKED_SUM: ("已记账分录合计", "sum of what is booked"),
    MatchRule.BY_HAND: ("两人手工勾对", "by two persons"),
}
WRONGS: dict[str, str] = {
    Wrong.OPENING_DIFFERS: "期初余额与上期期末不符",
    Wrong.SUM_DIFFERS: "期初加发生额不等于期末",
    Wrong.ENTRY_REPEATED: "流水重复",
    Wrong.ENTRY_DIFFERS: "流水金额与通知不符",
    Wrong.ENTRY_MISSING: "已通知的流水未列入",
}
KINDS: dict[str, tuple[str, str]] = {
    TargetKind.CALL: ("缴款通知", "pay-in call"),
    TargetKind.PAYMENT: ("付款", "payment"),
    TargetKind.BOOKED: ("已记账", "booked"),
    TargetKind.CALL_BACK: ("冲回缴款", "pay-in taken back"),
    TargetKind.PAYMENT_BACK: ("退回付款", "payment that came back"),
    TargetKind.ENTRY: ("对冲流水", "entry that cancels it"),
}


class LegView(BaseModel):
    """``call`` is what the debtor writes into the remittance; empty of what is paid out."""

    participant: str
    direction: Direction
    amount_minor: int
    done_minor: int
    ordered_minor: int
    open_minor: int
    held_minor: int
    call: str


class FileView(BaseModel):
    id: str
    window: int
    book: str
    state: str
    total_minor: int
    execute_on: date
    drafted_by: str
    released_by: str


class SettlementView(BaseModel):
    """A window in one book. ``cover_minor`` may still be ordered; ``shortfall_minor`` is to be paid out and not covered."""

    window: int
    book: str
    state: str
    settlement_date: date
    own_minor: int
    cover_minor: int
    shortfall_minor: int
    legs: list[LegView]
    files: list[FileView]


class ReportView(BaseModel):
    id: str
    kind: str
    account: str
    book: str
    state: str
    closed_on: date | None
    opening_minor: int | None
    closing_minor: int | None
    faults: list[str]


class MatchedView(BaseModel):
    reference: str
    rule: str
    kind: str
    target: str
    amount_minor: int


class MatchingView(BaseModel):
    """``matched``: one row for each part; ``unmatched``: references of the bank."""

    book: str
    matched: list[MatchedView]
    unmatched: list[str]


class AccountView(BaseModel):
    """``AtBank`` as it is answered to programs."""

    book: str
    number: str
    state: str
    closed_on: date | None
    bank_minor: int
    ledger_minor: int
    unmatched_minor: int
    not_shown_minor: int
    unexplained_minor: int


@dataclass(frozen=True, slots=True)
class Listed:
    """A closed window in a book; ``reached`` is None before its settlement began."""

    window: int
    book: str
    business_day: date | None
    row: BookRow | None
    reached: BookProgress | None


@dataclass(frozen=True, slots=True)
class AtBank:
    """A book's account: what the bank says and what the books say. Once everything is matched the two are equal."""

    book: str
    number: str
    holder: str
    state: str
    stopped_by: str
    lift_proposed_by: str
    closed_on: date | None
    bank_minor: int
    ledger_minor: int
    unmatched_minor: int
    unmatched: int
    not_shown_minor: int

    @property
    def unexplained_minor(self) -> int:
        """Never anything but nil: bank = ledger + what is unmatched there − what the bank has not shown yet."""
        return self.bank_minor - self.ledger_minor - self.unmatched_minor + self.not_shown_minor


async def settlement_view(session: AsyncSession, row: BookRow) -> SettlementView:
    reached = await progress(session, row)
    files = await queries.files(session, row.window, row.book)
    return SettlementView(
        window=row.window,
        book=row.book,
        state=row.state,
        settlement_date=row.settlement_date,
        own_minor=row.own_minor,
        cover_minor=reached.cover.minor,
        shortfall_minor=reached.shortfall.minor,
        legs=[LegView.model_validate(leg, from_attributes=True) for leg in reached.legs],
        files=[file_view(file) for file in files],
    )


def file_view(row: PaymentFileRow) -> FileView:
    return FileView.model_validate({**_columns(row, FileView), "released_by": row.released_by or ""})


def report_view(row: BankReportRow | Waiting) -> ReportView:
    if isinstance(row, Waiting):
        return ReportView(
            id=row.page.report.id,
            kind=row.page.report.kind,
            account=row.page.report.account,
            book=row.book,
            state=WAITING,
            closed_on=None,
            opening_minor=None,
            closing_minor=None,
            faults=[f"page_missing: {row.missing}"],
        )
    return ReportView.model_validate(_columns(row, ReportView))


def matching_view(book: str, matching: Matching) -> MatchingView:
    matched = [
        MatchedView(
            reference=found.entry.reference,
            rule=found.rule,
            kind=part.target.kind,
            target=part.target.id,
            amount_minor=part.amount_minor,
        )
        for found in matching.matches
        for part in found.parts
    ]
    return MatchingView(book=book, matched=matched, unmatched=[entry.reference for entry in matching.unmatched])


async def listed(session: AsyncSession, here: City) -> list[Listed]:
    """Every closed window in every book that has a bank account, newest first."""
    begun = {(row.window, row.book): row for row in await queries.book_rows(session)}
    closed = [row for row in await windows.windows(session) if row.state == WindowState.CLOSED]
    found = []
    for window in reversed(closed):
        for book in sorted(here.bank_accounts):
            row = begun.get((window.number, book))
            reached = await progress(session, row) if row is not None else None
            found.append(Listed(window.number, book, window.business_day, row, reached))
    return found


async def at_banks(session: AsyncSession, here: City) -> list[AtBank]:
    standings = await queries.standings(session)
    found = []
    for book, terms in sorted(here.bank_accounts.items()):
        standing = standings.get(book)
        last = await queries.last_statement(session, book)
        entries = await queries.unmatched(session, book)
        advised = await queries.advised_only(session, terms.account.number)
        kept = await ledger.standing(session, book, terms.ledger)
        began = await began_with(session, book, terms)
        bank = began if last is None or last.closing_minor is None else last.closing_minor
        found.append(
            AtBank(
                book=book,
                number=terms.account.number,
                holder=terms.account.name,
                state=standing.state if standing else BankState.RUNNING,
                stopped_by=(standing.stopped_by_report if standing else None) or "",
                lift_proposed_by=(standing.lift_proposed_by if standing else None) or "",
                closed_on=last.closed_on if last else None,
                bank_minor=bank + sum(entry.amount_minor for entry in advised),
                ledger_minor=kept.balance.minor if kept else 0,
                unmatched_minor=sum(row.amount_minor for row in entries),
                unmatched=len(entries),
                not_shown_minor=sum(target.open_minor for target in await booked(session, here, book)),
            )
        )
    return found


def _columns(row: Any, view: type[BaseModel]) -> dict[str, Any]:
    return {name: getattr(row, name) for name in view.model_fields}
