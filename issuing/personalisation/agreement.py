"""Every chip is accounted for (design.md, "What must always hold", 5): stock, key log, production and registers agree."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from sqlalchemy import Select, exists, literal, not_, select
from sqlalchemy.ext.asyncio import AsyncSession

from issuing.card_register.tables import CardRow
from issuing.keys.tables import KeyLogRow
from issuing.personalisation.tables import ProductionRow
from issuing.sams.tables import SamRow
from issuing.stock.rules import BlankState
from issuing.stock.tables import BlankRow


@dataclass(frozen=True, slots=True)
class Disagreement:
    """One chip about which two books say different things."""

    chip_serial: bytes
    what: str


_CHIPS = select(CardRow.chip_serial).union_all(select(SamRow.chip_serial)).subquery()


def _in_stock_as(*states: BlankState) -> Select[bytes]:
    return select(BlankRow.chip_serial).where(BlankRow.state.in_(states))


# What is wrong → the chips it is wrong of.
_CHECKS: Mapping[str, Select[bytes]] = {
    "is used up in stock and stands in no register": _in_stock_as(BlankState.USED).where(
        BlankRow.chip_serial.not_in(select(_CHIPS.c.chip_serial))
    ),
    "stands in a register and is not used up in stock": select(_CHIPS.c.chip_serial).where(
        _CHIPS.c.chip_serial.not_in(_in_stock_as(BlankState.USED))
    ),
    "stands in a register and has no line in the key log": select(_CHIPS.c.chip_serial).where(
        _CHIPS.c.chip_serial.not_in(select(KeyLogRow.chip_serial))
    ),
    "has keys by the key log and lies untouched in stock, or never came": select(KeyLogRow.chip_serial)
    .distinct()
    .where(KeyLogRow.chip_serial.not_in(_in_stock_as(BlankState.USED, BlankState.IN_PRODUCTION, BlankState.SCRAPPED))),
    "is in production in stock and nowhere else": _in_stock_as(BlankState.IN_PRODUCTION).where(
        not_(exists(select(literal(1)).where(ProductionRow.chip_serial == BlankRow.chip_serial)))
    ),
}


async def disagreements(session: AsyncSession) -> list[Disagreement]:
    """None in a healthy office; ordered by check, then chip."""
    found = []
    for what, chips in _CHECKS.items():
        serials = sorted(await session.scalars(chips))
        found += [Disagreement(serial, what) for serial in serials]
    return found
