"""Proof that the card is at the desk: our challenge, the card's answer, checked in the fund's vault (standards.md §5.5)."""

from __future__ import annotations

import hmac
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from card_os.crypto.authentication import city_factor, social_cryptogram
from clearing.benefits.office import CHALLENGE_LASTS, PRESENCE_LASTS, Desk, FundOffice, MedicalRefused, local_day
from clearing.benefits.tables import ChallengeRow
from clearing.facts import queries as facts
from hardware.vault.vault import KeyLabel, MasterKey, Vault
from rulebook.messages.facts import CardState, InsuredFact
from rulebook.messages.medical import CHALLENGE_LENGTH, MedicalRefusal, Presence, PresenceChallenge

_HALF = CHALLENGE_LENGTH // 2


async def give_challenge(session: AsyncSession, desk: Desk, office: FundOffice, now: datetime) -> PresenceChallenge:
    """A new R1 ‖ R2 for ``desk``, stored before it is told."""
    challenge = ChallengeRow(
        challenge=office.random(CHALLENGE_LENGTH), device=desk.device, expires_at=now + CHALLENGE_LASTS
    )
    session.add(challenge)
    await session.flush()
    return PresenceChallenge(challenge=challenge.challenge, expires_at=challenge.expires_at)


async def take_challenge(session: AsyncSession, desk: Desk, challenge: bytes, content: bytes, now: datetime) -> None:
    """Bind ``challenge`` to the one request with content hash ``content``. To be committed before the answer is looked
    at: a refused guess must not free the challenge. Raises ``MedicalRefused``."""
    row = await session.get(ChallengeRow, challenge, with_for_update=True)
    if row is None or row.device != desk.device:
        raise MedicalRefused(MedicalRefusal.CHALLENGE_UNKNOWN)
    if row.used_by == content:
        return
    if row.used_by is not None:
        raise MedicalRefused(MedicalRefusal.CHALLENGE_USED)
    _refuse_late(row, now)
    row.used_by = content
    await session.flush()


def _refuse_late(row: ChallengeRow, now: datetime) -> None:
    if row.expires_at < now:
        raise MedicalRefused(MedicalRefusal.CHALLENGE_EXPIRED, f"it was good until {row.expires_at.isoformat()}")


async def prove(
    session: AsyncSession, office: FundOffice, presence: Presence, *, region: str, content: bytes, now: datetime
) -> InsuredFact:
    """Whose card gave ``presence.answer``; kept with the challenge, which the request with content hash ``content``
    must have taken. Raises ``MedicalRefused``."""
    row = await session.get(ChallengeRow, presence.challenge)
    if row is None or row.used_by != content:
        raise MedicalRefused(MedicalRefusal.CHALLENGE_UNKNOWN)
    _refuse_late(row, now)  # also for a repeat: what was refused once is not kept for a better day
    card = await facts.card_by_chip(session, presence.chip_serial)
    if card is None:
        raise MedicalRefused(MedicalRefusal.CARD_UNKNOWN)
    if not answer_is_right(presence, region, office.vault):
        raise MedicalRefused(MedicalRefusal.AUTHENTICATION_WRONG)
    if card.state is not CardState.ACTIVE or not card.valid_from <= local_day(now) <= card.valid_to:
        raise MedicalRefused(MedicalRefusal.CARD_NOT_ACTIVE, f"it is {card.state}, valid until {card.valid_to}")
    insured = await insured_person(session, card.person, now)
    row.person, row.proved_at = card.person, now
    await session.flush()
    return insured


async def insured_person(session: AsyncSession, person: str, now: datetime) -> InsuredFact:
    """Who has left the insurance has a fact without a fund. Raises ``MedicalRefused``."""
    insured = await facts.insured(session, person)
    if insured is None or not insured.fund or insured.effective > now:
        raise MedicalRefused(MedicalRefusal.NOT_INSURED)
    return insured


def answer_is_right(presence: Presence, region: str, vault: Vault) -> bool:
    """Whether the answer is DES(3DES(IRK, R1), R2) under the card's IRK, whose factors are city, then chip."""
    if len(presence.challenge) != CHALLENGE_LENGTH or len(presence.chip_serial) != _HALF:
        return False
    key = vault.child_key(MasterKey(KeyLabel.SOCIAL_INTERNAL), (city_factor(region), presence.chip_serial))
    expected = social_cryptogram(key, first=presence.challenge[:_HALF], second=presence.challenge[_HALF:])
    return hmac.compare_digest(expected, presence.answer)


async def use_presence(session: AsyncSession, desk: Desk, person: str, *, visit: str, now: datetime) -> None:
    """Spend one proof that ``person``'s card was at ``desk`` a short while ago: each opens one visit. Raises
    ``MedicalRefused``."""
    found = (
        select(ChallengeRow)
        .where(ChallengeRow.device == desk.device, ChallengeRow.person == person)
        .where(ChallengeRow.proved_at >= now - PRESENCE_LASTS, ChallengeRow.visit.is_(None))
        .order_by(ChallengeRow.proved_at, ChallengeRow.challenge)
    )
    row = await session.scalar(found.limit(1).with_for_update(skip_locked=True))
    if row is None:
        raise MedicalRefused(MedicalRefusal.PRESENCE_NOT_PROVEN)
    row.visit = visit
    await session.flush()
