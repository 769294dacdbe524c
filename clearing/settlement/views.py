"""A window as the API and the pages show it."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from pydantic import BaseModel
from sqlalchemy.ext.asyncio import AsyncSession

from clearing.intake import queries as intake
from clearing.settlement.encoding import digest, encode
from clearing.settlement.model import WindowResult
from clearing.settlement.running import Step
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


class StepView(BaseModel):
    """What is being computed, and how much of it is done."""

    what: str
    done: int
    total: int


class WindowView(BaseModel):
    """``result_digest`` is the SHA-256 of ``GET /windows/{number}/result``; of an open window it is a preview's. While there is
    no result it is empty, only what came is counted, and ``step`` says how far the computing is."""

    number: int
    state: str
    business_day: str
    proposed_by: str
    approved_by: str
    result_digest: str
    step: StepView | None
    counts: dict[str, int]
    open_taps_minor: int
    positions: list[PositionView]
    exceptions: list[ExceptionView]
    remarks: list[RemarkView]
    checks: list[CheckView]


async def window_view(
    session: AsyncSession, row: WindowRow, result: WindowResult | None, step: Step | None = None
) -> WindowView:
    batches, records = await intake.count_batches(session, row.number)
    return WindowView(
        number=row.number,
        state=row.state,
        business_day=row.business_day.isoformat() if row.business_day else "",
        proposed_by=row.proposed_by or "",
        approved_by=row.approved_by or "",
        step=StepView(**asdict(step)) if step else None,
        **await _of_result(session, row, result, batches) if result else _nothing_yet(batches, records),
    )


async def _of_result(session: AsyncSession, row: WindowRow, result: WindowResult, batches: int) -> dict[str, Any]:
    return {
        "result_digest": digest(row.result or encode(result)).hex(),
        "counts": {
            "batches": batches,
            "records": sum(result.counts.values()),
            **{status.value: result.counts.get(status, 0) for status in Status},
            "transfers": len(result.transfers),
            "remarks": len(result.remarks),
        },
        "open_taps_minor": sum(result.held.values()),
        "positions": [
            PositionView(**asdict(p), net_minor=p.net_minor, closing_minor=p.closing_minor) for p in result.positions
        ],
        "exceptions": exceptions(result),
        "remarks": [
            RemarkView(**asdict(remark), zh=REMARKS[remark.kind][0], en=REMARKS[remark.kind][1])
            for remark in result.remarks
        ],
        "checks": [CheckView(**asdict(check)) for check in await checks(session, result)],
    }


def _nothing_yet(batches: int, records: int) -> dict[str, Any]:
    counts = {
        "batches": batches,
        "records": records,
        **dict.fromkeys(map(str, Status), 0),
        "transfers": 0,
        "remarks": 0,
    }
    lists: dict[str, Any] = {"positions": [], "exceptions": [], "remarks": [], "checks": []}
    return {"result_digest": "", "counts": counts, "open_taps_minor": 0, **lists}


def exceptions(result: WindowResult) -> list[ExceptionView]:
    return [ExceptionView(**_fields(decided)) for decided in result.exceptions]


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
