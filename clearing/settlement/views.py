"""A window as the API and the pages show it."""

from __future__ import annotations

from collections import Counter
from dataclasses import asdict
from typing import Any

from pydantic import BaseModel
from sqlalchemy.ext.asyncio import AsyncSession

from clearing.intake import queries as intake
from clearing.settlement.encoding import digest, encode
from clearing.settlement.model import WindowResult
from clearing.settlement.service import checks
from clearing.settlement.tables import WindowRow
from clearing.verification.reasons import REMARKS, RULES, Status


class PositionView(BaseModel):
    """Fen; ``clearing.settlement.model.Position`` says what each is. ``net_minor`` is to be settled: above zero the
    participant gets it."""

    book: str
    participant: str
    opening_minor: int
    paid_minor: int
    prepaid_minor: int
    debits_minor: int
    credits_minor: int
    net_minor: int
    closing_minor: int


class ExceptionView(BaseModel):
    """A record that did not end in order."""

    device: str
    journal_sequence: int
    status: str
    reason: str
    operator: str
    transaction: str
    event: str
    kind: str
    amount_minor: int
    zh: str
    en: str


class RemarkView(BaseModel):
    kind: str
    subject: str
    participant: str
    amount_minor: int
    detail: str
    zh: str
    en: str


class CheckView(BaseModel):
    name: str
    zh: str
    en: str
    holds: bool
    detail: str


class WindowView(BaseModel):
    """``result_digest`` is the SHA-256 of ``GET /windows/{number}/result``; of an open window it is a preview's."""

    number: int
    state: str
    business_day: str
    proposed_by: str
    approved_by: str
    result_digest: str
    counts: dict[str, int]
    open_taps_minor: int
    positions: list[PositionView]
    exceptions: list[ExceptionView]
    remarks: list[RemarkView]
    checks: list[CheckView]


async def window_view(session: AsyncSession, row: WindowRow, result: WindowResult) -> WindowView:
    ends = Counter(decided.decision.status for decided in result.decided)
    batches = await intake.batches(session, row.number)
    return WindowView(
        number=row.number,
        state=row.state,
        business_day=row.business_day.isoformat() if row.business_day else "",
        proposed_by=row.proposed_by or "",
        approved_by=row.approved_by or "",
        result_digest=digest(encode(result)).hex(),
        counts={
            "batches": len(batches),
            "records": len(result.decided),
            **{status.value: ends[status] for status in Status},
            "transfers": len(result.transfers),
            "remarks": len(result.remarks),
        },
        open_taps_minor=sum(result.held.values()),
        positions=[
            PositionView(**asdict(p), net_minor=p.net_minor, closing_minor=p.closing_minor) for p in result.positions
        ],
        exceptions=exceptions(result),
        remarks=[
            RemarkView(**asdict(remark), zh=REMARKS[remark.kind][0], en=REMARKS[remark.kind][1])
            for remark in result.remarks
        ],
        checks=[CheckView(**asdict(check)) for check in await checks(session, result)],
    )


def exceptions(result: WindowResult) -> list[ExceptionView]:
    return [
        ExceptionView(**_fields(decided))
        for decided in result.decided
        if decided.decision.status is not Status.ACCEPTED
    ]


def _fields(decided: Any) -> dict[str, Any]:
    decision = decided.decision
    rule = RULES[decision.reason]
    return {
        "device": decision.record[0],
        "journal_sequence": decision.record[1],
        "status": decision.status,
        "reason": decision.reason,
        "operator": decision.operator,
        "transaction": str(decided.transaction),
        "event": decided.event,
        "kind": decided.kind,
        "amount_minor": decided.amount_minor,
        "zh": rule.zh,
        "en": rule.en,
    }
