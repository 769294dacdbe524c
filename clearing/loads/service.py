"""Authorise a load, take its proof, say where it stands. Each flushes; the request's edge commits, also after a refusal:
a request that is refused may have disproved an earlier load."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime
from functools import partial
from hmac import compare_digest

from sqlalchemy.ext.asyncio import AsyncSession

from card_os.crypto.suites import Algorithm
from clearing.ledger import queries as ledger_queries
from clearing.ledger.accounts import TRANSIT, Kind, code
from clearing.ledger.rules import Phase, Purpose, Refusal, Transfer, settling
from clearing.ledger.service import TransfersRefused, post
from clearing.loads import queries
from clearing.loads.queries import Found
from clearing.loads.rules import (
    Attempt,
    Authorisation,
    Booking,
    Continue,
    Event,
    Judgement,
    Known,
    LoadKey,
    LoadMacs,
    Repeat,
    Reserve,
    executed,
    faults,
    judge,
    macs,
    moment,
    next_state,
)
from hardware.vault.vault import KeyLabel, MasterKey, UnknownKey, Vault
from rulebook.calendar import BUSINESS_ZONE, calendar_named
from rulebook.messages.facts import CardFact
from rulebook.messages.loads import (
    ConfirmationRefusal,
    LoadAuthorised,
    LoadConfirmation,
    LoadQuestion,
    LoadRefusal,
    LoadRequest,
    LoadStanding,
    LoadState,
)
from rulebook.money import Amount

VALUE_ON_CARDS = code(Kind.VALUE_ON_CARDS)


class MalformedRequest(ValueError):
    """``faults`` lists every field that no card and desk can have meant, with what is wrong."""

    def __init__(self, found: Sequence[tuple[str, str]]) -> None:
        super().__init__("; ".join(f"{name} {what}" for name, what in found))
        self.faults = tuple(found)


@dataclass(frozen=True, slots=True)
class LoadRefused:
    reason: LoadRefusal


@dataclass(frozen=True, slots=True)
class ConfirmationRefused:
    reason: ConfirmationRefusal


async def authorise(
    session: AsyncSession, vault: Vault, request: LoadRequest, *, agent: str, now: datetime
) -> LoadAuthorised | LoadRefused:
    """MAC2 for a load that ``agent`` pays for. Raises ``MalformedRequest``."""
    if wrong := faults(request):
        raise MalformedRequest(wrong)
    load = LoadKey.of(request)
    await queries.lock_cards(session, [load])
    (found,) = await queries.find(session, [(load, agent)])
    expected = None if found.card is None else macs_of(vault, found.card, request)
    judgement = judge(request, agent, known_of(request, load, found, expected, now))
    return await _carry_out(session, request, load, agent, found.agent_account, judgement, expected, now)


def known_of(request: LoadRequest, load: LoadKey, found: Found, expected: LoadMacs | None, now: datetime) -> Known:
    return Known(
        card=found.card,
        denied=found.denied,
        mac1_right=expected is not None and compare_digest(expected.mac1, request.mac1),
        attempts=found.attempts,
        earlier_open=found.open_sequence not in (None, load.online_sequence),
        today=now.astimezone(BUSINESS_ZONE).date(),
    )


async def _carry_out(
    session: AsyncSession,
    request: LoadRequest,
    load: LoadKey,
    agent: str,
    account: str | None,
    judgement: Judgement,
    expected: LoadMacs | None,
    now: datetime,
) -> LoadAuthorised | LoadRefused:
    match judgement:
        case LoadRefusal():
            return LoadRefused(judgement)
        case Repeat(mac2):
            return LoadAuthorised(mac2=mac2)
        case Continue(attempt):
            pass
        case Reserve(number, void):
            attempt = Attempt(number, agent, request.amount_minor, LoadState.RESERVED, ())
            if not await _reserve(
                session, load, attempt, account, void, business_day_of(request.date, request.time), now
            ):
                return LoadRefused(LoadRefusal.AGENT_WITHOUT_COVER)
    assert expected is not None, "judge refuses an unknown card"
    await queries.add_authorisations(session, [(load, attempt, authorisation_of(request, expected.mac2))])
    return LoadAuthorised(mac2=expected.mac2)


async def _reserve(
    session: AsyncSession,
    load: LoadKey,
    attempt: Attempt,
    account: str | None,
    void: Attempt | None,
    day: date,
    now: datetime,
) -> bool:
    """False: the agent has no cover. What is disproved is voided in either case, and its money counts as cover."""
    if void is not None:
        await _settle(session, load, void, Event.DISPROVED, day, now)
    return account is not None and await _posted(session, pending_of(load, attempt, account, day), now)


async def confirm(
    session: AsyncSession, vault: Vault, confirmation: LoadConfirmation, *, now: datetime
) -> LoadStanding | ConfirmationRefused:
    """Post the load that the TAC proves; a repeat changes nothing. The TAC may come from the desk that loaded, or from
    GET TRANSACTION PROVE at any other terminal."""
    load = LoadKey(confirmation.issuer, confirmation.serial, confirmation.purse, confirmation.online_sequence)
    await queries.lock_cards(session, [load])
    (found,) = await queries.find(session, [(load, None)])
    if found.card is None or not found.attempts:
        return ConfirmationRefused(ConfirmationRefusal.LOAD_UNKNOWN)
    tac_key = partial(child_key_of, vault, KeyLabel.TAC, found.card)
    proved = executed(tac_key, load, found.attempts, confirmation.tac)
    if proved is None:
        return ConfirmationRefused(ConfirmationRefusal.TAC_WRONG)
    attempt, given = proved
    day = business_day_of(given.date, given.time)
    for other in found.attempts:
        if other is not attempt:
            await _settle(session, load, other, Event.DISPROVED, day, now)
    if not await _settle(session, load, attempt, Event.PROVED, day, now, given=given, tac=confirmation.tac):
        return ConfirmationRefused(ConfirmationRefusal.AGENT_WITHOUT_COVER)
    return _standing(replace(attempt, state=LoadState.POSTED), given)


async def standing(session: AsyncSession, question: LoadQuestion) -> LoadStanding | ConfirmationRefused:
    """The executed attempt under the id; where none is, the newest."""
    load = LoadKey(question.issuer, question.serial, question.purse, question.online_sequence)
    (found,) = await queries.find(session, [(load, None)])
    attempts = found.attempts
    if not attempts:
        return ConfirmationRefused(ConfirmationRefusal.LOAD_UNKNOWN)
    attempt = next((a for a in attempts if a.state is LoadState.POSTED), attempts[-1])
    random = await queries.executed_random(session, load)
    given = next((g for g in attempt.authorisations if g.random == random), attempt.authorisations[-1])
    return _standing(attempt, given)


async def _settle(
    session: AsyncSession,
    load: LoadKey,
    attempt: Attempt,
    event: Event,
    day: date,
    now: datetime,
    *,
    given: Authorisation | None = None,
    tac: bytes | None = None,
) -> bool:
    """Move the attempt on, in the ledger too. False: the agent has no cover for a load posted anew."""
    state, booking = next_state(attempt.state, event)
    if booking is Booking.NOTHING:
        return True
    pending = (await ledger_queries.transfers_by_id(session, [load.transfer_id(attempt.number)])).popitem()[1]
    if not await _posted(session, _booked(pending, booking, day), now):
        return False
    random = given.random if given else None
    await queries.set_state(session, load, attempt, state, executed_random=random, tac=tac)
    return True


def _booked(pending: Transfer, booking: Booking, day: date) -> Transfer:
    if booking is Booking.ANEW:
        return replace(pending, id=f"{pending.id}/anew", phase=Phase.SINGLE, business_day=day, reference=pending.id)
    phase = {Booking.POST: Phase.POST, Booking.VOID: Phase.VOID}[booking]
    return settling(pending, phase, id=f"{pending.id}/{phase}", business_day=day)


def pending_of(load: LoadKey, attempt: Attempt, account: str, day: date) -> Transfer:
    return Transfer(
        id=load.transfer_id(attempt.number),
        book=TRANSIT,
        debit=account,
        credit=VALUE_ON_CARDS,
        amount=Amount(attempt.amount_minor),
        purpose=Purpose.LOAD,
        business_day=day,
        phase=Phase.PENDING,
    )


async def _posted(session: AsyncSession, transfer: Transfer, now: datetime) -> bool:
    """False: the agent's account would be overdrawn. Any other refusal is a mistake of ours and is raised."""
    try:
        await post(session, [transfer], now=now)
    except TransfersRefused as error:
        if [refused.reason for refused in error.refused] == [Refusal.DEBIT_ACCOUNT_WOULD_BE_OVERDRAWN]:
            return False
        raise
    return True


def macs_of(vault: Vault, card: CardFact, request: LoadRequest) -> LoadMacs:
    """Raises ``MalformedRequest`` for an algorithm that the vault has no master for: a token may have none for SM4."""
    try:
        return macs(child_key_of(vault, KeyLabel.LOAD, card, Algorithm(request.algorithm)), request)
    except UnknownKey as error:
        raise MalformedRequest(
            [("algorithm", f"is {request.algorithm}; clearing holds no such key: {error}")]
        ) from error


def child_key_of(vault: Vault, label: KeyLabel, card: CardFact, algorithm: Algorithm) -> bytes:
    """The card's own key; it lives as long as this request's check."""
    return vault.child_key(MasterKey(label, card.key_version, algorithm), [card.issuer, card.serial[-8:]])


def business_day_of(date_bcd: bytes, time_bcd: bytes) -> date:
    return calendar_named("china").business_day(moment(date_bcd, time_bcd))


def authorisation_of(request: LoadRequest, mac2: bytes) -> Authorisation:
    return Authorisation(
        random=request.random,
        device=request.device,
        terminal=request.terminal,
        date=request.date,
        time=request.time,
        key_version=request.key_version,
        algorithm=request.algorithm,
        balance_minor=request.balance_minor,
        mac1=request.mac1,
        mac2=mac2,
    )


def _standing(attempt: Attempt, given: Authorisation) -> LoadStanding:
    return LoadStanding(
        state=attempt.state,
        amount_minor=attempt.amount_minor,
        balance_minor=given.balance_minor,
        terminal=given.terminal,
        date=given.date,
        time=given.time,
    )
