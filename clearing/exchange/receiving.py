"""What other cities claim about our cards: judged like our own, answered at once, ruled on by two people where it is held."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Collection
from datetime import datetime, timedelta
from typing import TypeAlias

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from backoffice.problems import Refused
from clearing.base import among
from clearing.cases.rules import CaseState, Resolution
from clearing.cases.service import open_cases
from clearing.cases.tables import CaseRow
from clearing.exchange import queries
from clearing.exchange.booking import Item, cases_of_held, confirmed_elsewhere, held_elsewhere
from clearing.exchange.codec import encode
from clearing.exchange.keys import CentreKey
from clearing.exchange.messages import (
    AccountingResult,
    DisputeCode,
    DisputeResult,
    MessageKind,
    Package,
    Ruling,
    Verdict,
)
from clearing.exchange.partners import Exchange, Partner
from clearing.exchange.queries import Direction
from clearing.exchange.rules import IssuerContext, ItemState, PackageState, answer, claims_of, judge, state_of_item
from clearing.exchange.signing import delivery
from clearing.exchange.tables import PackageRow
from clearing.facts.queries import cards, deny_list
from clearing.ledger.accounts import TRANSIT
from clearing.ledger.service import TransfersRefused, post
from clearing.participants.rules import City
from clearing.verification.context import TransactionId
from clearing.verification.tac import right_claims
from hardware.vault.vault import Vault
from rulebook.calendar import BUSINESS_ZONE

PaidHere: TypeAlias = Callable[[Collection[TransactionId]], Awaitable[Collection[TransactionId]]]
"""Those of some card transactions that our own windows have paid or hold."""


async def take_package(
    session: AsyncSession,
    vault: Vault,
    partner: Partner,
    package: Package,
    of: City,
    key: CentreKey,
    *,
    paid_here: PaidHere,
    now: datetime,
) -> AccountingResult:
    """Judge, post, answer. The package has been stored as a message by whoever calls."""
    right = await asyncio.to_thread(_right, vault, package, of)
    context = await _context(session, package, of, partner, paid_here, now)
    disputed = await asyncio.to_thread(judge, package, right, context)
    items = _items(package, partner.participant, disputed, of)
    result = answer(package, disputed, now=now)
    waits = any(item.state is ItemState.DISPUTED for item in items)
    session.add(
        PackageRow(
            direction=Direction.IN,
            partner=partner.participant,
            number=package.number,
            issuer=package.issuer,
            cleared_on=package.cleared_on,
            count=len(items),
            amount_minor=package.amount.minor,
            confirmed_minor=result.confirmed.minor,
            disputed=len(disputed),
            state=PackageState.DISPUTED if waits else PackageState.SETTLED,
            at=now,
            reminders=0,
            answered_at=now,
        )
    )
    await session.flush()
    await queries.store_items(session, Direction.IN, items)
    await _post(session, items, of, now=now)
    content = encode(result)
    signature = key.sign(delivery(content))
    await queries.store_message(
        session,
        Direction.OUT,
        partner.participant,
        MessageKind.ACCOUNTING,
        package.number,
        content,
        signature,
        now=now,
    )
    return result


def _right(vault: Vault, package: Package, of: City) -> set[int]:
    """Numbers of the transactions whose TAC is right; only of issuers whose masters are ours."""
    ours = of.rules().our_issuers
    claims = {number: claim for number, claim in claims_of(package).items() if claim.inputs.issuer in ours}
    right = right_claims(vault, claims.values())
    return {number for number, claim in claims.items() if claim in right}


async def _context(
    session: AsyncSession, package: Package, of: City, partner: Partner, paid_here: PaidHere, now: datetime
) -> IssuerContext:
    rules = of.rules()
    ids = {each.id for each in package.transactions}
    return IssuerContext(
        issuers=rules.our_issuers,
        cards=await cards(session, {id_.card for id_ in ids}),
        deny=await deny_list(session),
        known=await queries.proven(session, ids) | set(await paid_here(ids)),
        received_on=now.astimezone(BUSINESS_ZONE).date(),
        claim_within=timedelta(days=partner.claim_within_days),
        calendar=rules.calendar,
    )


def _items(package: Package, partner: str, disputed: dict[int, DisputeCode], of: City) -> list[Item]:
    calendar = of.rules().calendar
    return [
        Item(
            partner=partner,
            package=package.number,
            number=each.number,
            transaction=each.id,
            content=each.content,
            amount_minor=each.amount_minor,
            business_day=calendar.business_day(at) if (at := each.at) else package.cleared_on,
            state=state_of_item(code := disputed.get(each.number), each.amount_minor),
            dispute=code,
        )
        for each in package.transactions
    ]


async def _post(session: AsyncSession, items: list[Item], of: City, *, now: datetime) -> None:
    try:
        await post(session, [*confirmed_elsewhere(items), *held_elsewhere(items)], now=now)
    except TransfersRefused as refused:
        raise Refused(409, "The ledger refuses the entry", str(refused), reason="ledger_refuses") from refused
    subjects = cases_of_held(items, keeper=of.keepers[TRANSIT])
    await open_cases(session, subjects, calendar=of.rules().calendar, actor="exchange", now=now)


async def tell_rulings(
    session: AsyncSession, partner: Partner, exchange: Exchange, key: CentreKey, *, now: datetime
) -> DisputeResult | None:
    """Put what two people have ruled since the last time into a dispute result; None where there is nothing new."""
    await queries.lock(session, partner.participant)
    name = partner.participant
    held = {queries.item_of(row).held_case: row for row in await queries.disputed(session, Direction.IN, name)}
    closed = select(CaseRow).where(among(CaseRow.id, held), CaseRow.state == CaseState.CLOSED)
    ended = {row.id: Resolution(row.resolution) for row in await session.scalars(closed)}
    if not ended:
        return None
    number = await queries.last_number(session, Direction.OUT, name, MessageKind.DISPUTE) + 1
    rulings = []
    for case, resolution in ended.items():
        row = held[case]
        paid = resolution is Resolution.RELEASE
        row.state, row.ruled_in = ItemState.PAID if paid else ItemState.REFUSED, number
        verdict = Verdict.PAY if paid else Verdict.BAD_DEBT
        rulings.append(Ruling(row.package, row.number, verdict, row.amount_minor))
    result = DisputeResult(exchange.centre, partner.centre, number, now, tuple(sorted(rulings)))
    content = encode(result)
    await queries.store_message(
        session, Direction.OUT, name, MessageKind.DISPUTE, number, content, key.sign(delivery(content)), now=now
    )
    await session.flush()
    for package in sorted({ruling.package for ruling in rulings}):
        await _settle_where_done(session, name, package)
    return result


async def _settle_where_done(session: AsyncSession, partner: str, number: int) -> None:
    rows = await queries.item_rows(session, Direction.IN, partner, number)
    package = await queries.package(session, Direction.IN, partner, number, locked=True)
    assert package is not None
    if all(row.state != ItemState.DISPUTED for row in rows):
        package.state = PackageState.SETTLED
        await session.flush()
