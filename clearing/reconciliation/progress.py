"""How far a window's book has come: what was called and paid, what is covered, what is held back."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum, unique

from sqlalchemy.ext.asyncio import AsyncSession

from clearing.reconciliation import queries
from clearing.reconciliation.matching import TargetKind
from clearing.reconciliation.tables import BookRow, PaymentFileRow, PaymentRow
from clearing.settlement.life import BookState
from clearing.settlement.obligations import covered
from rulebook.money import ZERO, Amount


@unique
class Direction(StrEnum):
    IN = "in"
    OUT = "out"


@unique
class FileState(StrEnum):
    DRAFTED = "drafted"
    RELEASED = "released"
    WITHDRAWN = "withdrawn"


@dataclass(frozen=True, slots=True, kw_only=True)
class Leg:
    """``done_minor``: what the bank has shown. ``ordered_minor``: in payment files that were not withdrawn."""

    participant: str
    direction: Direction
    amount_minor: int
    beyond_cap_minor: int
    done_minor: int
    ordered_minor: int
    call: str = ""

    @property
    def open_minor(self) -> int:
        return self.amount_minor - self.done_minor

    @property
    def held_minor(self) -> int:
        """What must come in first, because the net lies beyond the debit cap."""
        return max(0, self.beyond_cap_minor - self.done_minor)


@dataclass(frozen=True, slots=True, kw_only=True)
class BookProgress:
    window: int
    book: str
    state: BookState
    own_minor: int
    legs: tuple[Leg, ...]

    @property
    def received_minor(self) -> int:
        return sum(leg.done_minor for leg in self.legs if leg.direction is Direction.IN)

    @property
    def ordered_minor(self) -> int:
        return sum(leg.ordered_minor for leg in self.legs)

    @property
    def cover(self) -> Amount:
        """What may still be ordered: the keeper's own debt, which is in the account, and what came in; the keeper's own
        claim comes last (ours)."""
        return Amount(max(0, self.own_minor) + self.received_minor - self.ordered_minor)

    @property
    def held(self) -> tuple[Leg, ...]:
        return tuple(leg for leg in self.legs if leg.held_minor)

    @property
    def payable(self) -> dict[str, Amount]:
        """What a payment file made now would hold; nothing while somebody is beyond the debit cap."""
        if self.held or self.state is not BookState.PENDING:
            return {}
        out = (leg for leg in self.legs if leg.direction is Direction.OUT)
        return covered({leg.participant: Amount(leg.amount_minor - leg.ordered_minor) for leg in out}, self.cover)

    @property
    def shortfall(self) -> Amount:
        """What is to be paid out and not covered."""
        out = sum(leg.amount_minor - leg.ordered_minor for leg in self.legs if leg.direction is Direction.OUT)
        return max(ZERO, Amount(out) - self.cover)

    @property
    def complete(self) -> bool:
        return not any(leg.open_minor for leg in self.legs)

    @property
    def under_way(self) -> bool:
        """A payment was drafted or released and the bank has not shown it yet."""
        return any(leg.ordered_minor > leg.done_minor for leg in self.legs if leg.direction is Direction.OUT)


def book_key(book: str) -> str:
    """Eight hex digits: names of books are longer than a bank's fields."""
    return hashlib.sha256(book.encode()).hexdigest()[:8]


def call_id(window: int, book: str, participant: str) -> str:
    """What a debtor writes into the remittance of its pay-in."""
    return f"C{window}-{book_key(book)}-{participant}"


def file_id(window: int, book: str, number: int) -> str:
    return f"P{window}-{book_key(book)}-{number}"


async def progress(session: AsyncSession, row: BookRow) -> BookProgress:
    files = await queries.files(session, row.window, row.book)
    standing = [file for file in files if file.state != FileState.WITHDRAWN]
    payments = await not_failed(session, await queries.payments(session, [file.id for file in standing]))
    return BookProgress(
        window=row.window,
        book=row.book,
        state=BookState(row.state),
        own_minor=row.own_minor,
        legs=await _legs(session, row, payments),
    )


async def not_failed(session: AsyncSession, payments: Sequence[PaymentRow]) -> list[PaymentRow]:
    """Without those that two persons have given up, and those that came back."""
    names = [payment.id for payment in payments]
    given_up = {name for name, row in (await queries.failures(session, names)).items() if row.approved_by is not None}
    given_up |= {
        name for name, paid in (await queries.allocated(session, TargetKind.PAYMENT, names)).items() if not paid
    }
    return [payment for payment in payments if payment.id not in given_up]


async def _legs(session: AsyncSession, row: BookRow, payments: Sequence[PaymentRow]) -> tuple[Leg, ...]:
    legs = await queries.legs(session, row.window, row.book)
    calls = [call_id(row.window, row.book, leg.participant) for leg in legs]
    received = await queries.allocated(session, TargetKind.CALL, calls)
    paid = await queries.allocated(session, TargetKind.PAYMENT, [payment.id for payment in payments])
    found = []
    for leg, call in zip(legs, calls, strict=True):
        own = [payment for payment in payments if payment.participant == leg.participant]
        coming = leg.direction == Direction.IN
        found.append(
            Leg(
                participant=leg.participant,
                direction=Direction(leg.direction),
                amount_minor=leg.amount_minor,
                beyond_cap_minor=leg.beyond_cap_minor,
                done_minor=received.get(call, 0) if coming else -sum(paid.get(payment.id, 0) for payment in own),
                ordered_minor=0 if coming else sum(payment.amount_minor for payment in own),
                call=call if coming else "",
            )
        )
    return tuple(found)


def drafted(files: Sequence[PaymentFileRow]) -> PaymentFileRow | None:
    return next((file for file in files if file.state == FileState.DRAFTED), None)
