"""What waits for a person, from every part of the service: what one has proposed and another one has to decide, and what nobody
is made to look at by a proposal."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any

from sqlalchemy import ColumnElement, String, cast, literal, select, union_all
from sqlalchemy.ext.asyncio import AsyncSession

from clearing.adjustments.rules import AdjustmentState
from clearing.adjustments.tables import AdjustmentRow
from clearing.cases.rules import KINDS, CaseKind, CaseState
from clearing.cases.tables import CaseRow
from clearing.devices.key_change import KeyState
from clearing.devices.releases import ReleaseState
from clearing.devices.tables import DeviceRow, ParameterKeyRow, TariffReleaseRow
from clearing.opening.rules import OpeningState
from clearing.opening.tables import OpeningRow
from clearing.participants.documents import DocumentState
from clearing.participants.tables import DocumentRow
from clearing.reconciliation import by_hand
from clearing.reconciliation.progress import FileState
from clearing.reconciliation.standing import BankState
from clearing.reconciliation.tables import (
    BankEntryRow,
    BankStandingRow,
    BookRow,
    FailureRow,
    HandMatchRow,
    PaymentFileRow,
    PaymentRow,
)
from clearing.restatement.life import RestatementState
from clearing.restatement.tables import RestatementRow
from clearing.settlement.life import BookState
from clearing.settlement.model import WindowState
from clearing.settlement.tables import WindowRow
from rulebook.calendar import Calendar

SHOWN = 100

CALENDAR_AHEAD = timedelta(days=30)
"""How long before its end the calendar is asked for; the notice comes in November. Ours."""


@dataclass(frozen=True, slots=True)
class Waiting:
    """``page``: where it is decided; empty where on none. ``by``: who proposed it; empty where nobody has yet."""

    page: str
    zh: str
    en: str
    subject: str
    by: str


async def waiting(session: AsyncSession) -> list[Waiting]:
    """In order of their pages; the first ``SHOWN``."""
    rows = await session.execute(union_all(*_ALL).order_by("page", "subject").limit(SHOWN))
    return [Waiting(*row) for row in rows]


def calendar_ending(calendar: Calendar, today: date) -> list[Waiting]:
    """Money has no date after the last day of the calendar: nothing can be settled there."""
    if today + CALENDAR_AHEAD < calendar.last_day:
        return []
    zh, en = "待录入下一年节假日，日历止于", "the next year's holidays are to be added; the calendar ends on"
    return [Waiting("", zh, en, f"{calendar.last_day:%F}", "")]


def _of(zh: str, en: str, subject: Any, by: Any, where: ColumnElement[bool], *page: Any) -> Any:
    """``page``: the pieces of its address, columns among them."""
    address: ColumnElement[str] = literal("")
    for piece in page:
        address = address + (literal(piece) if isinstance(piece, str) else cast(piece, String))
    columns = (address.label("page"), literal(zh), literal(en), cast(subject, String).label("subject"), by)
    return select(*columns).where(where)


_UNANSWERED = KINDS[CaseKind.UNANSWERED]
_LOST = PaymentRow.id == FailureRow.payment
_FILE = PaymentFileRow.id == PaymentRow.file
_ENTRY = (BankEntryRow.account == HandMatchRow.account) & (BankEntryRow.reference == HandMatchRow.reference)
_ALL = (
    _of(
        *("关闭窗口", "closing of a window", WindowRow.number, WindowRow.proposed_by),
        WindowRow.state == WindowState.PROPOSED,
        *("/windows/", WindowRow.number, "/close"),
    ),
    _of(
        *("案件处理", "end of a case", CaseRow.id, CaseRow.proposed_by),
        CaseRow.state == CaseState.PROPOSED,
        *("/cases/", CaseRow.id),
    ),
    _of(
        *(_UNANSWERED.zh, _UNANSWERED.en, CaseRow.id, literal("")),
        (CaseRow.kind == CaseKind.UNANSWERED) & (CaseRow.state == CaseState.OPEN),
        *("/cases/", CaseRow.id),
    ),
    _of(
        *("调账", "adjustment", AdjustmentRow.number, AdjustmentRow.proposed_by),
        AdjustmentRow.state == AdjustmentState.PROPOSED,
        *("/adjustments/", AdjustmentRow.id),
    ),
    _of(
        *("重算", "restatement", RestatementRow.number, RestatementRow.proposed_by),
        RestatementRow.state == RestatementState.COMPUTED,
        *("/restatements/", RestatementRow.number),
    ),
    _of(
        *("期初迁移", "opening", OpeningRow.number, OpeningRow.proposed_by),
        OpeningRow.state == OpeningState.PROPOSED,
        *("/openings/", OpeningRow.number),
    ),
    _of(
        *("合同与协议", "agreement", DocumentRow.kind, DocumentRow.proposed_by),
        DocumentRow.state == DocumentState.PROPOSED,
        *("/documents/", DocumentRow.kind, "/", DocumentRow.version),
    ),
    _of(
        *("付款文件", "payment file", PaymentFileRow.id, PaymentFileRow.drafted_by),
        PaymentFileRow.state == FileState.DRAFTED,
        *("/settlement/", PaymentFileRow.window, "/", PaymentFileRow.book),
    ),
    _of(
        *("付款作废", "payment given up", FailureRow.payment, FailureRow.proposed_by),
        FailureRow.approved_by.is_(None) & _LOST & _FILE,
        *("/settlement/", PaymentFileRow.window, "/", PaymentFileRow.book),
    ),
    _of(
        *("中止结算", "settlement aborted", BookRow.book, BookRow.abort_proposed_by),
        BookRow.state == BookState.ABORTING,
        *("/settlement/", BookRow.window, "/", BookRow.book),
    ),
    _of(
        *("手工勾对", "matched by hand", HandMatchRow.reference, HandMatchRow.proposed_by),
        (HandMatchRow.state == by_hand.PROPOSED) & _ENTRY,
        *("/bank/", BankEntryRow.book, "/matching"),
    ),
    _of(
        *("恢复银行账户", "a book's stop lifted", BankStandingRow.book, BankStandingRow.lift_proposed_by),
        BankStandingRow.state == BankState.LIFTING,
        "/bank",
    ),
    _of(
        *("终端", "device", DeviceRow.device, DeviceRow.proposed_by),
        DeviceRow.proposed_by.is_not(None),
        *("/devices/", DeviceRow.device),
    ),
    _of(
        *("票价", "tariff", TariffReleaseRow.version, TariffReleaseRow.proposed_by),
        TariffReleaseRow.state == ReleaseState.PROPOSED,
        "/publishing",
    ),
    _of(
        *("签名密钥", "signing key", ParameterKeyRow.number, ParameterKeyRow.proposed_by),
        ParameterKeyRow.state == KeyState.PROPOSED,
        "/publishing",
    ),
)
