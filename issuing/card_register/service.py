"""A card comes into the register once, read back; then people act on it and the feed says so."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncSession

from backoffice.problems import Refused
from issuing.applications import service as applications
from issuing.applications.rules import ApplicationEvent
from issuing.card_register.rules import CardEvent, deny_change, next_state
from issuing.card_register.tables import CardRow
from issuing.feed.service import publish
from rulebook.messages.facts import CardFact, CardState, DenyListFact

# What the counter's act on a card means for the application it was made for.
_APPLICATION_EVENTS = {CardEvent.ACTIVATE: ApplicationEvent.HAND_OVER}


async def enter(session: AsyncSession, card: CardRow) -> None:
    """Put a personalised card into the register and the feed."""
    session.add(card)
    await session.flush()
    await publish(session, [card_fact(card)])


async def act(session: AsyncSession, serials: Sequence[bytes], event: CardEvent, *, now: datetime) -> list[CardRow]:
    """``event`` for all of ``serials`` or for none. Raises ``Refused`` 404 and 409."""
    wanted = select(CardRow).where(CardRow.serial.in_(serials)).order_by(CardRow.serial).with_for_update()
    cards = list(await session.scalars(wanted))
    if missing := set(serials) - {card.serial for card in cards}:
        shown = ", ".join(sorted(serial.hex().upper() for serial in missing))
        raise Refused(404, "No such card in the register", f"serial {shown}", reason="card_unknown")
    facts: list[CardFact | DenyListFact] = []
    for card in cards:
        before = CardState(card.state)
        after = next_state(before, event)
        card.state, card.changed_at = after, now
        facts.append(card_fact(card))
        if (denied := deny_change(before, after)) is not None:
            facts.append(DenyListFact(issuer=card.issuer, serial=card.serial, denied=denied, reported_at=now))
    if event in _APPLICATION_EVENTS:
        await applications.move(session, [card.application for card in cards], _APPLICATION_EVENTS[event])
    await session.flush()
    await publish(session, facts)
    return cards


def card_fact(card: CardRow) -> CardFact:
    return CardFact(
        issuer=card.issuer,
        serial=card.serial,
        chip_serial=card.chip_serial,
        person=card.person,
        product=card.product,
        rider_class=card.rider_class,
        key_version=card.key_version,
        valid_from=card.valid_from,
        valid_to=card.valid_to,
        purse_limit_minor=card.purse_limit_minor,
        state=CardState(card.state),
        effective=card.changed_at,
    )


async def counts(session: AsyncSession) -> dict[str, int]:
    """How many cards there are by state."""
    grouped = select(CardRow.state, func.count()).group_by(CardRow.state)
    return {state: count for state, count in await session.execute(grouped)}  # noqa: C416 (rows, not pairs)
