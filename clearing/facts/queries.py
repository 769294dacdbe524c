"""What clearing knows of cards, insured persons and PSAMs. Everything is answered as the feed's own message."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TypeVar

from pydantic import BaseModel
from sqlalchemy import inspect, select
from sqlalchemy.ext.asyncio import AsyncSession

from clearing.base import Base
from clearing.facts.rules import DenyChange, DenyList, deny_list_of
from clearing.facts.tables import FEED, CardFactRow, DenyChangeRow, FeedPositionRow, InsuredFactRow, SamFactRow
from rulebook.messages.facts import CardFact, InsuredFact, SamFact

M = TypeVar("M", bound=BaseModel)


async def card(session: AsyncSession, issuer: bytes, serial: bytes) -> CardFact | None:
    """``issuer`` 0x15[0..7], ``serial`` 0x15[10..19]."""
    return _message(CardFact, await session.get(CardFactRow, (issuer, serial)))


async def card_by_chip(session: AsyncSession, chip_serial: bytes) -> CardFact | None:
    """By the last 8 historical bytes of the ATR; of several cards on one chip, the newest fact."""
    found = select(CardFactRow).where(CardFactRow.chip_serial == chip_serial).order_by(CardFactRow.number.desc())
    return _message(CardFact, await session.scalar(found.limit(1)))


async def cards(session: AsyncSession, ids: Iterable[tuple[bytes, bytes]]) -> dict[tuple[bytes, bytes], CardFact]:
    """The known ones of ``ids`` (issuer, serial), in one query."""
    wanted = set(ids)
    rows = await session.scalars(select(CardFactRow).where(CardFactRow.serial.in_({serial for _, serial in wanted})))
    facts = (_known(CardFact, row) for row in rows)
    return {(fact.issuer, fact.serial): fact for fact in facts if (fact.issuer, fact.serial) in wanted}


async def insured(session: AsyncSession, person: str) -> InsuredFact | None:
    return _message(InsuredFact, await session.get(InsuredFactRow, person))


async def sam(session: AsyncSession, sam_serial: bytes) -> SamFact | None:
    """``sam_serial``: 10 bytes, file 15 of the PSAM's MF."""
    return _message(SamFact, await session.get(SamFactRow, sam_serial))


async def sams(session: AsyncSession) -> list[SamFact]:
    """Every PSAM, in order of serial."""
    rows = await session.scalars(select(SamFactRow).order_by(SamFactRow.sam_serial))
    return [_known(SamFact, row) for row in rows]


async def deny_list(session: AsyncSession) -> DenyList:
    rows = await session.scalars(select(DenyChangeRow))
    return deny_list_of(
        DenyChange(
            number=row.number, issuer=row.issuer, serial=row.serial, denied=row.denied, reported_at=row.reported_at
        )
        for row in rows
    )


async def feed_position(session: AsyncSession) -> int:
    """The number of the last item applied; 0 before the first."""
    row = await session.get(FeedPositionRow, FEED)
    return row.number if row else 0


def _message(model: type[M], row: Base | None) -> M | None:
    return None if row is None else _known(model, row)


def _known(model: type[M], row: Base) -> M:
    columns = {column.key: getattr(row, column.key) for column in inspect(type(row)).columns}
    return model.model_validate({name: value for name, value in columns.items() if name in model.model_fields})
