"""What stands on "open taps" after the last closed window, each with the records that hold it there and why."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from sqlalchemy.ext.asyncio import AsyncSession

from clearing.cases.queries import decided_taps
from clearing.settlement import queries
from clearing.settlement.encoding import decode
from clearing.settlement.model import WindowState
from clearing.verification.context import TransactionId
from clearing.verification.reasons import Reason


@dataclass(frozen=True, slots=True)
class HeldBy:
    """A record of the transaction and how it ended in ``window``."""

    device: str
    journal_sequence: int
    window: int
    reason: Reason


@dataclass(frozen=True, slots=True)
class OpenTap:
    """``amount_minor``: fen on the account for this card transaction."""

    transaction: TransactionId
    amount_minor: int
    records: tuple[HeldBy, ...]


async def open_taps(session: AsyncSession) -> list[OpenTap]:
    """In order of their transactions, without those decided since; empty before the first window has closed."""
    closed = [line.number for line in await queries.windows(session) if line.state == WindowState.CLOSED]
    last = await queries.window(session, closed[-1]) if closed else None
    if last is None or last.result is None:
        return []
    left = decode(last.result).held
    decided = await decided_taps(session, left)
    held = {id_: minor for id_, minor in left.items() if id_ not in decided}
    records = await _records(session, held)
    return [OpenTap(id_, minor, tuple(records.get(id_, ()))) for id_, minor in held.items()]


async def _records(session: AsyncSession, ids: Iterable[TransactionId]) -> dict[TransactionId, list[HeldBy]]:
    found: dict[TransactionId, list[HeldBy]] = {}
    for row in await queries.exceptions_of(session, ids):
        held = HeldBy(row.device, row.journal_sequence, row.window, Reason(row.reason))
        found.setdefault(TransactionId.parse(row.transaction), []).append(held)
    return found
