"""Where a card's money went, asked for its holder at the counter. Every look is in the audit trail before it is answered."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path

from sqlalchemy.ext.asyncio import AsyncSession

from backoffice.problems import Refused
from clearing.history import queries
from clearing.history.folding import fold
from clearing.history.lookup import bucket_of_card, card_history
from clearing.history.rules import ClearedRecord, loaded_minor, spent_minor, transactions
from clearing.participants.service import city
from rulebook.numbers.card_number import SERIAL_LENGTH, masked_pan

LONGEST = timedelta(days=3 * 366)
"""Ours: what is asked at once."""


@dataclass(frozen=True, slots=True)
class Question:
    """A card by its application serial, and business days, both included."""

    serial: bytes
    first_day: date
    last_day: date

    @property
    def shown(self) -> str:
        """The card, masked."""
        return masked_pan(self.serial)


@dataclass(frozen=True, slots=True)
class Told:
    """One line for each card transaction, in order of time, and the sums of what moved money."""

    question: Question
    lines: list[ClearedRecord]
    spent_minor: int
    loaded_minor: int


def asked(card: str, first_day: date, last_day: date) -> Question:
    """``card``: the 19 digits printed on it, or its serial of 20. Raises ``Refused`` 422 with every fault."""
    digits = card.replace(" ", "")
    faults = []
    serial = bytes.fromhex(digits.zfill(2 * SERIAL_LENGTH)) if digits.isascii() and digits.isdigit() else b""
    if len(serial) != SERIAL_LENGTH or not serial.hex().startswith("0310"):
        faults.append({"field": "card", "message": "is no card number: 19 digits that begin with 310"})
    if not timedelta(0) <= last_day - first_day <= LONGEST:
        faults.append(
            {"field": "last_day", "message": f"must be from first_day to {LONGEST.days} days after; got {last_day}"}
        )
    if faults:
        raise Refused(422, "This question cannot be answered", reason="invalid_fields", errors=faults)
    return Question(serial, first_day, last_day)


async def tell(session: AsyncSession, results: Path, question: Question) -> Told:
    """Raises ``Refused`` 404 for a card that is not one of ours."""
    card = await queries.card_of(session, question.serial, (await city(session)).rules().our_issuers)
    if card is None:
        detail = f"{question.shown} is not in the card register; is it another issuer's?"
        raise Refused(404, "No such card", detail, reason="card_unknown")
    period = question.first_day, question.last_day
    names = await queries.cleared_names_of(session, bucket_of_card(card), *period)
    lines = transactions(await asyncio.to_thread(card_history, results, names, card, *period))
    return Told(question, lines, spent_minor(lines), loaded_minor(lines))


async def fold_closed(session: AsyncSession, results: Path) -> None:
    """Make every piece that is missing of the closed windows' files, so that looks are quick. Harmless to repeat; may be
    interrupted."""
    await asyncio.to_thread(fold, results, await queries.cleared_names(session))
