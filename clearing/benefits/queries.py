"""Statements over visits, settlements and a person's year. Nothing here decides."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from fractions import Fraction

from sqlalchemy import ColumnElement, exists, func, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from clearing.benefits.rules import Accumulators, FeeLine
from clearing.benefits.tables import CancellationRow, FeeLineRow, SettlementRow, YearRow
from rulebook.messages.medical import Infno, ItemClass, MedicalType
from rulebook.money import Amount


def _was_reversed() -> ColumnElement[bool]:
    return exists().where(
        CancellationRow.institution == SettlementRow.institution,
        CancellationRow.setl_id == SettlementRow.setl_id,
        CancellationRow.cause == Infno.REVERSAL.value,
    )


def _stands() -> ColumnElement[bool]:
    return ~exists().where(
        CancellationRow.institution == SettlementRow.institution, CancellationRow.setl_id == SettlementRow.setl_id
    )


async def fee_lines(session: AsyncSession, institution: str, visit: str, batch: str) -> tuple[FeeLine, ...]:
    """In order of their numbers."""
    found = select(FeeLineRow).where(
        FeeLineRow.institution == institution, FeeLineRow.mdtrt_id == visit, FeeLineRow.chrg_bchno == batch
    )
    rows = await session.scalars(found.order_by(FeeLineRow.feedetl_sn))
    return tuple(
        FeeLine(
            number=row.feedetl_sn,
            amount=Amount(row.amount_minor),
            item_class=ItemClass(row.item_class),
            first_self_pay=None if row.first_self_pay is None else Fraction(row.first_self_pay),
        )
        for row in rows
    )


async def batch_is_settled(session: AsyncSession, institution: str, visit: str, batch: str) -> bool:
    found = select(SettlementRow.setl_id).where(
        SettlementRow.institution == institution,
        SettlementRow.mdtrt_id == visit,
        SettlementRow.chrg_bchno == batch,
        _stands(),
    )
    return await session.scalar(found) is not None


async def visit_is_settled(session: AsyncSession, institution: str, visit: str) -> bool:
    """Whether any batch of the visit is."""
    found = select(SettlementRow.setl_id).where(
        SettlementRow.institution == institution, SettlementRow.mdtrt_id == visit, _stands()
    )
    return await session.scalar(found.limit(1)) is not None


async def standing_settlement(session: AsyncSession, institution: str, setl_id: str) -> SettlementRow | None:
    """The settlement, unless it is cancelled."""
    found = select(SettlementRow).where(
        SettlementRow.institution == institution, SettlementRow.setl_id == setl_id, _stands()
    )
    return await session.scalar(found)


async def later_settlement_stands(session: AsyncSession, row: SettlementRow) -> bool:
    found = select(SettlementRow.setl_id).where(
        SettlementRow.person == row.person,
        SettlementRow.fund_name == row.fund_name,
        SettlementRow.year == row.year,
        SettlementRow.ordinal > row.ordinal,
        _stands(),
    )
    return await session.scalar(found.limit(1)) is not None


async def next_ordinal(session: AsyncSession, person: str, fund: str, year: int) -> int:
    """To be asked under the lock of the person's year."""
    found = select(func.coalesce(func.max(SettlementRow.ordinal), 0)).where(
        SettlementRow.person == person, SettlementRow.fund_name == fund, SettlementRow.year == year
    )
    return int(await session.scalar(found) or 0) + 1


async def lock_year(session: AsyncSession, person: str, fund: str, year: int) -> dict[MedicalType, YearRow]:
    """The person's year, made when it is new, locked until the transaction ends."""
    key = {"person": person, "fund_name": fund, "year": year}
    nothing = {"in_scope": 0, "deductible": 0, "fund": 0, "top_up": 0, "stays": 0}
    new = [{**key, "care": care.value, **nothing} for care in MedicalType]
    await session.execute(insert(YearRow).on_conflict_do_nothing(), new)
    return await _year(session, person, fund, year, locked=True)


async def read_year(session: AsyncSession, person: str, fund: str, year: int) -> dict[MedicalType, YearRow]:
    """The same without a lock; kinds of care that had no settlement may be missing."""
    return await _year(session, person, fund, year, locked=False)


async def _year(
    session: AsyncSession, person: str, fund: str, year: int, *, locked: bool
) -> dict[MedicalType, YearRow]:
    found = select(YearRow).where(YearRow.person == person, YearRow.fund_name == fund, YearRow.year == year)
    found = found.order_by(YearRow.care).execution_options(populate_existing=True)
    rows = await session.scalars(found.with_for_update() if locked else found)
    return {MedicalType(row.care): row for row in rows}


def accumulators(rows: dict[MedicalType, YearRow], care: MedicalType) -> Accumulators:
    """What ``adjudicate`` wants to know of the year."""
    personal = sum(row.in_scope - row.fund for row in rows.values())
    top_up = sum(row.top_up for row in rows.values())
    row = rows.get(care)
    if row is None:
        return Accumulators(personal=Amount(personal), top_up=Amount(top_up))
    return Accumulators(
        in_scope=Amount(row.in_scope),
        deductible=Amount(row.deductible),
        fund=Amount(row.fund),
        stays=row.stays,
        personal=Amount(personal),
        top_up=Amount(top_up),
    )


async def settled_between(session: AsyncSession, institution: str, first: date, last: date) -> Sequence[SettlementRow]:
    """Settlements made on these days, later cancelled or not. Reversed ones never were, for either side."""
    found = select(SettlementRow).where(
        SettlementRow.institution == institution, SettlementRow.settled_on.between(first, last), ~_was_reversed()
    )
    return (await session.scalars(found.order_by(SettlementRow.setl_id))).all()


async def cancelled_between(
    session: AsyncSession, institution: str, first: date, last: date
) -> Sequence[SettlementRow]:
    """Settlements cancelled (2208) on these days, whenever they were made."""
    found = (
        select(SettlementRow)
        .join(
            CancellationRow,
            (CancellationRow.institution == SettlementRow.institution)
            & (CancellationRow.setl_id == SettlementRow.setl_id),
        )
        .where(CancellationRow.institution == institution, CancellationRow.cancelled_on.between(first, last))
        .where(CancellationRow.cause == Infno.SETTLE_CANCEL.value)
    )
    return (await session.scalars(found.order_by(SettlementRow.setl_id))).all()


async def newest_settlements(session: AsyncSession, limit: int) -> list[tuple[SettlementRow, CancellationRow | None]]:
    """With its cancellation where it was taken back; the newest first."""
    same = (CancellationRow.institution == SettlementRow.institution) & (
        CancellationRow.setl_id == SettlementRow.setl_id
    )
    found = select(SettlementRow, CancellationRow).outerjoin(CancellationRow, same)
    found = found.order_by(SettlementRow.settled_at.desc(), SettlementRow.institution, SettlementRow.setl_id)
    rows = await session.execute(found.limit(limit))
    return [(settlement, cancelled) for settlement, cancelled in rows]
