"""Receiving blanks, and moving one through production."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import func, insert, select
from sqlalchemy.ext.asyncio import AsyncSession

from backoffice.problems import Refused
from issuing.stock.rules import BlankEvent, BlankKind, BlankState, next_state
from issuing.stock.tables import BlankRow, StockMoveRow

CHIP_SERIAL_LENGTH = 8


async def receive(
    session: AsyncSession, *, delivery: str, kind: BlankKind, chip_serials: Sequence[bytes], by: str, now: datetime
) -> int:
    """Put a delivery on the shelf; how many were new. The same delivery again changes nothing.
    Raises ``Refused`` 422 for wrong serials and 409 for a chip that is known otherwise."""
    wrong = [serial.hex().upper() for serial in chip_serials if len(serial) != CHIP_SERIAL_LENGTH]
    if wrong or len(set(chip_serials)) != len(chip_serials):
        detail = f"not 8 bytes: {', '.join(wrong)}" if wrong else "a serial stands twice in the delivery"
        raise Refused(422, "The delivery was refused", detail, reason="wrong_chip_serials")
    found = await session.scalars(select(BlankRow).where(BlankRow.chip_serial.in_(chip_serials)))
    known = {row.chip_serial: row for row in found}
    if other := [row for row in known.values() if (row.delivery, row.kind) != (delivery, kind)]:
        detail = ", ".join(f"{row.chip_serial.hex().upper()} came with {row.delivery}" for row in other)
        raise Refused(409, "The delivery was refused: chips are known already", detail, reason="chip_known")
    new = [serial for serial in chip_serials if serial not in known]
    if new:
        await session.execute(
            insert(BlankRow),
            [
                {
                    "chip_serial": serial,
                    "kind": kind,
                    "state": BlankState.IN_STOCK,
                    "delivery": delivery,
                    "received_by": by,
                }
                for serial in new
            ],
        )
        await _log(session, new, BlankEvent.RECEIVE, by, now, delivery)
    return len(new)


async def locked(session: AsyncSession, chip_serial: bytes) -> BlankRow:
    """The blank, locked. Raises ``Refused`` 404: a chip that was never received is not written."""
    row = await session.get(BlankRow, chip_serial, with_for_update=True)
    if row is None:
        raise Refused(
            404, "This chip is not in stock", f"chip serial {chip_serial.hex().upper()}", reason="chip_unknown"
        )
    return row


async def move(
    session: AsyncSession, row: BlankRow, event: BlankEvent, *, by: str, now: datetime, reason: str = ""
) -> None:
    """One step of a locked blank, in the log too."""
    row.state = next_state(BlankState(row.state), event)
    await _log(session, [row.chip_serial], event, by, now, reason)


async def counts(session: AsyncSession) -> dict[tuple[str, str], int]:
    """How many blanks there are by kind and state."""
    grouped = select(BlankRow.kind, BlankRow.state, func.count()).group_by(BlankRow.kind, BlankRow.state)
    return {(kind, state): count for kind, state, count in await session.execute(grouped)}


async def _log(
    session: AsyncSession, chips: Sequence[bytes], event: BlankEvent, by: str, now: datetime, reason: str
) -> None:
    rows = [{"chip_serial": chip, "event": event, "at": now, "by": by, "reason": reason} for chip in chips]
    await session.execute(insert(StockMoveRow), rows)
