"""Packages, messages and transactions of the exchange as stored."""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Iterable, Sequence
from datetime import datetime
from enum import StrEnum, unique

from sqlalchemy import ARRAY, Integer, LargeBinary, cast, func, insert, select, text
from sqlalchemy.ext.asyncio import AsyncSession

from clearing.base import among
from clearing.cases.rules import CaseState, Resolution
from clearing.cases.tables import CaseRow
from clearing.exchange.booking import Item
from clearing.exchange.messages import DisputeCode, MessageKind
from clearing.exchange.rules import AWAITED, DISPUTES, PAYABLE, ItemState
from clearing.exchange.tables import ItemRow, MessageRow, PackageRow, PackedWindowRow
from clearing.intake.rules import Range, of_numbers
from clearing.intake.rules import missing as gaps_in
from clearing.verification.context import TransactionId

AT_ONCE = 10_000
"""Rows of one statement."""


@unique
class Direction(StrEnum):
    OUT = "out"  # we claim, or tell
    IN = "in"


async def lock(session: AsyncSession, partner: str) -> None:
    """One after the other, for everything that is done with a partner's packages."""
    await session.execute(text("SELECT pg_advisory_xact_lock(727006, hashtext(:partner))"), {"partner": partner})


async def message(
    session: AsyncSession, direction: Direction, partner: str, kind: MessageKind, number: int
) -> MessageRow | None:
    return await session.get(MessageRow, (direction, partner, kind, number))


async def store_message(
    session: AsyncSession,
    direction: Direction,
    partner: str,
    kind: MessageKind,
    number: int,
    content: bytes,
    signature: bytes,
    *,
    now: datetime,
) -> None:
    await session.execute(
        insert(MessageRow).values(
            direction=direction,
            partner=partner,
            kind=kind,
            number=number,
            digest=hashlib.sha256(content).digest(),
            content=content,
            signature=signature,
            at=now,
        )
    )


async def numbers(session: AsyncSession, direction: Direction, partner: str, kind: MessageKind) -> list[int]:
    """Of every message of that kind, in order."""
    found = select(MessageRow.number).where(
        MessageRow.direction == direction, MessageRow.partner == partner, MessageRow.kind == kind
    )
    return list(await session.scalars(found.order_by(MessageRow.number)))


async def missing(session: AsyncSession, partner: str, kind: MessageKind) -> tuple[Range, ...]:
    """Numbers below the newest one that have not come from ``partner``, who counts without gaps."""
    return gaps_in(of_numbers(await numbers(session, Direction.IN, partner, kind)))


async def last_number(session: AsyncSession, direction: Direction, partner: str, kind: MessageKind) -> int:
    """0 before the first."""
    found = select(func.max(MessageRow.number)).where(
        MessageRow.direction == direction, MessageRow.partner == partner, MessageRow.kind == kind
    )
    return await session.scalar(found) or 0


async def package(
    session: AsyncSession, direction: Direction, partner: str, number: int, *, locked: bool = False
) -> PackageRow | None:
    key = (direction, partner, number)
    return await session.get(PackageRow, key, with_for_update=locked or None, populate_existing=locked)


async def packages(session: AsyncSession, direction: Direction, partner: str | None = None) -> Sequence[PackageRow]:
    """In order of partner, newest first."""
    found = select(PackageRow).where(PackageRow.direction == direction)
    if partner is not None:
        found = found.where(PackageRow.partner == partner)
    return (await session.scalars(found.order_by(PackageRow.partner, PackageRow.number.desc()))).all()


async def unanswered(session: AsyncSession) -> Sequence[PackageRow]:
    """Packages of ours that were not fetched or not answered yet, in order of partner and number."""
    waits = PackageRow.direction == Direction.OUT, PackageRow.state.in_(AWAITED)
    return (
        await session.scalars(select(PackageRow).where(*waits).order_by(PackageRow.partner, PackageRow.number))
    ).all()


async def without_partner(session: AsyncSession) -> Sequence[PackedWindowRow]:
    """Windows with claims that go to nobody, in order."""
    found = select(PackedWindowRow).where(PackedWindowRow.without_partner > 0)
    return (await session.scalars(found.order_by(PackedWindowRow.window))).all()


async def store_items(session: AsyncSession, direction: Direction, items: Iterable[Item]) -> None:
    rows = [_columns(direction, item) for item in items]
    for start in range(0, len(rows), AT_ONCE):
        await session.execute(insert(ItemRow), rows[start : start + AT_ONCE])


async def item_rows(
    session: AsyncSession, direction: Direction, partner: str, number: int, *, locked: bool = False
) -> Sequence[ItemRow]:
    """Of one package, in order."""
    found = select(ItemRow).where(ItemRow.direction == direction, ItemRow.partner == partner, ItemRow.package == number)
    found = found.order_by(ItemRow.number)
    return (await session.scalars(found.with_for_update() if locked else found)).all()


async def disputed(session: AsyncSession, direction: Direction, partner: str | None = None) -> Sequence[ItemRow]:
    """Those that wait for a ruling, in order of partner, package and number."""
    found = select(ItemRow).where(ItemRow.direction == direction, ItemRow.state == ItemState.DISPUTED)
    if partner is not None:
        found = found.where(ItemRow.partner == partner)
    return (await session.scalars(found.order_by(ItemRow.partner, ItemRow.package, ItemRow.number))).all()


async def proven(session: AsyncSession, ids: Collection[TransactionId]) -> set[TransactionId]:
    """Those of ``ids`` that another city has claimed and its card's TAC has proven."""
    rows = await _of_transactions(session, ids, Direction.IN)
    return {transaction_of(row) for row in rows if row.proven}


async def sequences_elsewhere(session: AsyncSession, serials: Collection[str]) -> dict[str, tuple[Range, ...]]:
    """Off-line sequences of our cards that were used in other cities and have come from there, of each card of ``serials``
    (hexadecimal, capitals)."""
    wanted = [bytes.fromhex(serial) for serial in sorted(serials)]
    found = select(ItemRow.serial, func.array_agg(ItemRow.sequence)).group_by(ItemRow.serial)
    rows = await session.execute(
        found.where(ItemRow.proven, ItemRow.serial == func.any(cast(wanted, ARRAY(LargeBinary))))
    )
    return {serial.hex().upper(): of_numbers(sequences) for serial, sequences in rows}


async def claimed(session: AsyncSession, ids: Collection[TransactionId]) -> set[tuple[TransactionId, bytes]]:
    """Those of ``ids`` that we have claimed before, each with its content."""
    return {(transaction_of(row), row.content) for row in await _of_transactions(session, ids, Direction.OUT)}


async def _of_transactions(
    session: AsyncSession, ids: Collection[TransactionId], direction: Direction
) -> list[ItemRow]:
    found: list[ItemRow] = []
    ordered = sorted(ids)
    for start in range(0, len(ordered), AT_ONCE):
        some = ordered[start : start + AT_ONCE]
        wanted_ids = set(some)
        wanted = (
            func.unnest(
                cast([id_.serial for id_ in some], ARRAY(LargeBinary)),
                cast([id_.sequence for id_ in some], ARRAY(Integer)),
            )
            .table_valued("serial", "sequence")
            .render_derived()
        )
        matching = (ItemRow.serial == wanted.c.serial) & (ItemRow.sequence == wanted.c.sequence)
        rows = await session.scalars(select(ItemRow).join(wanted, matching).where(ItemRow.direction == direction))
        found += [row for row in rows if transaction_of(row) in wanted_ids]
    return found


async def adjusted(session: AsyncSession, cases: Collection[str]) -> set[str]:
    """Those of ``cases`` by whose end the respondent gave the claimant the amount."""
    ended = CaseRow.state == CaseState.CLOSED, CaseRow.resolution == Resolution.ADJUST
    return set(await session.scalars(select(CaseRow.id).where(among(CaseRow.id, cases), *ended)))


def transaction_of(row: ItemRow) -> TransactionId:
    return TransactionId(row.issuer, row.serial, row.purse, False, row.sequence)


def item_of(row: ItemRow) -> Item:
    return Item(
        partner=row.partner,
        package=row.package,
        number=row.number,
        transaction=transaction_of(row),
        content=row.content,
        amount_minor=row.amount_minor,
        business_day=row.business_day,
        operator=row.operator,
        state=ItemState(row.state),
        dispute=None if row.dispute is None else DisputeCode(row.dispute),
    )


def _columns(direction: Direction, item: Item) -> dict[str, object]:
    is_proven = item.state in PAYABLE or (item.dispute is not None and DISPUTES[item.dispute].proven)
    return {
        "direction": direction,
        "partner": item.partner,
        "package": item.package,
        "number": item.number,
        "issuer": item.transaction.issuer,
        "serial": item.transaction.serial,
        "purse": item.transaction.purse,
        "sequence": item.transaction.sequence,
        "content": item.content,
        "amount_minor": item.amount_minor,
        "business_day": item.business_day,
        "operator": item.operator,
        "state": item.state,
        "dispute": item.dispute,
        "proven": direction is Direction.IN and is_proven,
        "ruled_in": None,
    }
