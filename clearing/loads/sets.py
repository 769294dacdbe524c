"""Loads authorised as a set: one transaction, as many statements for one as for fifty. Every load locks the accounts of its
agent and of the value on cards; taken one by one, each would wait for the commit of the one before."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TypeAlias

from sqlalchemy.ext.asyncio import AsyncSession

from clearing.ledger.rules import Refusal, Transfer
from clearing.ledger.service import TransfersRefused, post
from clearing.loads import queries
from clearing.loads.queries import Found
from clearing.loads.rules import Attempt, Continue, LoadKey, LoadMacs, Repeat, Reserve, judge
from clearing.loads.service import (
    LoadRefused,
    authorisation_of,
    business_day_of,
    known_of,
    macs_of,
    pending_of,
)
from hardware.vault.vault import Vault
from rulebook.messages.loads import LoadAuthorised, LoadRefusal, LoadRequest, LoadState

Answer: TypeAlias = LoadAuthorised | LoadRefused


@dataclass(frozen=True, slots=True)
class Asked:
    """A request without faults (``rules.faults``), who pays for it, and when it came."""

    request: LoadRequest
    agent: str
    now: datetime

    @property
    def load(self) -> LoadKey:
        return LoadKey.of(self.request)


@dataclass(frozen=True, slots=True)
class _Granted:
    """What is to be stored; ``transfer`` where an attempt begins."""

    place: int
    attempt: Attempt
    transfer: Transfer | None
    expected: LoadMacs


async def authorise_set(session: AsyncSession, vault: Vault, asked: Sequence[Asked]) -> list[Answer | None]:
    """``service.authorise`` for each of ``asked``, of different cards, as if they had come in this order. None for those that
    disprove an earlier load, and were not done: they are for ``authorise`` itself."""
    await queries.lock_cards(session, [one.load for one in asked])
    found = await queries.find(session, [(one.load, one.agent) for one in asked])
    answers: list[Answer | None] = [None] * len(asked)
    granted = []
    for place, (one, of_one) in enumerate(zip(asked, found, strict=True)):
        verdict = _judged(vault, place, one, of_one)
        if isinstance(verdict, _Granted):
            granted.append(verdict)
        else:
            answers[place] = verdict
    covered = await _covered(session, granted, max(one.now for one in asked))
    await queries.add_authorisations(
        session,
        [(asked[g.place].load, g.attempt, authorisation_of(asked[g.place].request, g.expected.mac2)) for g in covered],
    )
    for one_granted in granted:
        answers[one_granted.place] = LoadRefused(LoadRefusal.AGENT_WITHOUT_COVER)
    for one_granted in covered:
        answers[one_granted.place] = LoadAuthorised(mac2=one_granted.expected.mac2)
    return answers


def _judged(vault: Vault, place: int, one: Asked, found: Found) -> Answer | _Granted | None:
    request, load = one.request, one.load
    expected = None if found.card is None else macs_of(vault, found.card, request)
    judgement = judge(request, one.agent, known_of(request, load, found, expected, one.now))
    match judgement:
        case LoadRefusal():
            return LoadRefused(judgement)
        case Repeat(mac2):
            return LoadAuthorised(mac2=mac2)
        case Reserve(_, void) if void is not None:
            return None
    assert expected is not None, "judge refuses an unknown card"
    if isinstance(judgement, Continue):
        return _Granted(place, judgement.attempt, None, expected)
    if found.agent_account is None:
        return LoadRefused(LoadRefusal.AGENT_WITHOUT_COVER)
    attempt = Attempt(judgement.number, one.agent, request.amount_minor, LoadState.RESERVED, ())
    transfer = pending_of(load, attempt, found.agent_account, business_day_of(request.date, request.time))
    return _Granted(place, attempt, transfer, expected)


async def _covered(session: AsyncSession, granted: Sequence[_Granted], now: datetime) -> list[_Granted]:
    """Those whose agents can pay, reserved. Any other refusal of the ledger is a mistake of ours and is raised."""
    left = list(granted)
    while transfers := [one.transfer for one in left if one.transfer]:
        try:
            await post(session, transfers, now=now)
        except TransfersRefused as error:
            if {refused.reason for refused in error.refused} != {Refusal.DEBIT_ACCOUNT_WOULD_BE_OVERDRAWN}:
                raise
            uncovered = {refused.transfer.id for refused in error.refused}
            left = [one for one in left if one.transfer is None or one.transfer.id not in uncovered]
        else:
            break
    return left
