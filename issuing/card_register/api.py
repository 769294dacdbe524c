"""HTTP of the card register."""

from __future__ import annotations

from datetime import datetime

from fastapi import APIRouter
from pydantic import Field

from backoffice.staff import Staff
from backoffice.web import Now, Service, ServiceDep
from issuing.card_register.rules import CardEvent
from issuing.card_register.service import act
from issuing.web import Clerk
from rulebook.messages.base import Hex, Message
from rulebook.messages.facts import CardState

router = APIRouter(prefix="/cards", tags=["cards"])


class Serials(Message):
    """0x15[10..19] of each card, 10 bytes."""

    serials: list[Hex] = Field(min_length=1)


class CardStanding(Message):
    serial: Hex
    state: CardState


@router.post("/activations")
async def post_activations(body: Serials, here: ServiceDep, staff: Clerk, now: Now) -> list[CardStanding]:
    """Handed over to their holders, many at once: all or none."""
    return await _act(here, body.serials, CardEvent.ACTIVATE, staff, now)


@router.post("/{serial}/activation")
async def post_activation(serial: Hex, here: ServiceDep, staff: Clerk, now: Now) -> CardStanding:
    """Handed over to the holder."""
    return (await _act(here, [serial], CardEvent.ACTIVATE, staff, now))[0]


@router.post("/{serial}/loss")
async def post_loss(serial: Hex, here: ServiceDep, staff: Clerk, now: Now) -> CardStanding:
    """Reported lost: onto the deny list, as of now."""
    return (await _act(here, [serial], CardEvent.REPORT_LOSS, staff, now))[0]


@router.post("/{serial}/recovery")
async def post_recovery(serial: Hex, here: ServiceDep, staff: Clerk, now: Now) -> CardStanding:
    """Found again: off the deny list."""
    return (await _act(here, [serial], CardEvent.WITHDRAW_LOSS, staff, now))[0]


@router.post("/{serial}/closing")
async def post_closing(serial: Hex, here: ServiceDep, staff: Clerk, now: Now) -> CardStanding:
    """Given back, or never to be used again: onto the deny list for good."""
    return (await _act(here, [serial], CardEvent.CLOSE, staff, now))[0]


async def _act(
    here: Service, serials: list[bytes], event: CardEvent, staff: Staff, now: datetime
) -> list[CardStanding]:
    async with here.database.transaction() as session:
        cards = await act(session, serials, event, now=now)
        for card in cards:
            shown = card.serial.hex().upper()
            await here.accounts.record(session, now=now, actor=staff.name, act=f"card: {event}", subject=shown)
    return [CardStanding(serial=card.serial, state=CardState(card.state)) for card in cards]
