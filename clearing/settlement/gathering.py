"""Reading from the database what the result of a window is computed from."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date
from typing import Any

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from clearing.cases.queries import decided_taps
from clearing.devices.queries import known_devices
from clearing.facts import queries as facts
from clearing.intake import queries as intake
from clearing.ledger import queries as ledger
from clearing.ledger.chain import Link
from clearing.loads.tables import LoadRow
from clearing.participants.rules import City
from clearing.participants.service import city, city_version, newest_tariff, tariffs
from clearing.settlement import queries
from clearing.settlement.encoding import decode, digest
from clearing.settlement.model import Opening, WindowInputs, WindowResult
from clearing.verification.context import Context, KnownCard, KnownLoad, TransactionId
from rulebook.messages.loads import LoadState
from rulebook.record import Record


async def gather(session: AsyncSession, number: int, business_day: date) -> WindowInputs:
    """As everything stands now."""
    here = await city(session)
    records = await intake.records_of_window(session, number)
    waiting = await intake.records_named(session, await queries.suspended_before(session, number))
    before = await _result_before(session, number)
    # Between freezing and approval the window before has its transfers, but the chain does not say so yet.
    taken = {numbered.transfer.id for numbered in before.transfers} if before else set()
    return WindowInputs(
        number=number,
        context=await _context(session, here, business_day, (*records, *waiting), before),
        records=records,
        waiting=waiting,
        online=tuple(
            [t for book in sorted(here.keepers) for t in await ledger.unlinked(session, book) if t.id not in taken]
        ),
        parties=here.parties(),
        keepers=here.keepers,
        opening=Opening(
            await _last_links(session, here),
            await intake.journals_before(session, number),
            {(p.book, p.participant): p.closing_minor for p in before.positions} if before else {},
        ),
    )


async def _context(
    session: AsyncSession,
    here: City,
    business_day: date,
    records: Iterable[Record],
    before: WindowResult | None,
) -> Context:
    ids = {TransactionId.of(record) for record in records}
    held = before.held if before else {}
    return Context(
        business_day=business_day,
        policy=here.rules(),
        devices=await known_devices(session),
        sams={sam.sam_serial: sam for sam in await facts.sams(session)},
        cards={
            card: KnownCard.of(fact) for card, fact in (await facts.cards(session, {id_.card for id_ in ids})).items()
        },
        deny=await facts.deny_list(session),
        tariffs=await tariffs(session),
        loads=await _loads(session, {id_ for id_ in ids if id_.load}),
        settled=await queries.settled(session, ids),
        held=held,
        decided=await decided_taps(session, ids | set(held)),
        next_sequence=before.next_sequence if before else {},
    )


async def _loads(session: AsyncSession, ids: set[TransactionId]) -> dict[TransactionId, KnownLoad]:
    """A posted attempt of a load before one that is only reserved; a voided one is no load."""
    rows = await session.execute(
        select(
            LoadRow.issuer, LoadRow.serial, LoadRow.purse, LoadRow.online_sequence, LoadRow.amount_minor, LoadRow.state
        )
        .where(LoadRow.serial.in_({id_.serial for id_ in ids}), LoadRow.state != LoadState.VOIDED)
        .order_by(LoadRow.state.desc(), LoadRow.attempt)
    )
    found: dict[TransactionId, KnownLoad] = {}
    for issuer, serial, purse, sequence, amount, state in rows:
        posted = state == LoadState.POSTED
        id_ = TransactionId(issuer, serial, purse, True, sequence)
        if id_ in ids and (posted or id_ not in found):
            found[id_] = KnownLoad(amount, posted)
    return found


async def _result_before(session: AsyncSession, number: int) -> WindowResult | None:
    row = await queries.window(session, number - 1)
    return decode(row.result) if row is not None and row.result is not None else None


async def _last_links(session: AsyncSession, here: City) -> dict[str, Link]:
    links = {book: await ledger.last_link(session, book) for book in here.keepers}
    return {book: link for book, link in links.items() if link is not None}


@dataclass(frozen=True, slots=True)
class Versions:
    """Which parameters a result was computed with."""

    city: int
    tariff: int
    feed: int
    deny_list: int


async def versions(session: AsyncSession) -> Versions:
    deny = await facts.deny_list(session)
    return Versions(
        await city_version(session),
        (await newest_tariff(session)).version,
        await facts.feed_position(session),
        deny.version,
    )


async def manifest(session: AsyncSession, inputs: WindowInputs, encoded: bytes) -> dict[str, Any]:
    """What the two persons sign: names, by hash, of everything the result was computed from, and the result's own."""
    batches = await intake.batches(session, inputs.number)
    numbers = await versions(session)
    return {
        "window": inputs.number,
        "business_day": inputs.context.business_day.isoformat(),
        "batches": [[row.device, row.number, row.content_hash.hex()] for row in batches],
        "waiting": [[record.device, record.journal_sequence] for record in inputs.waiting],
        "online_transfers": sorted(transfer.id for transfer in inputs.online),
        "versions": {"city": numbers.city, "tariff": numbers.tariff, "feed": numbers.feed, "deny": numbers.deny_list},
        "opening": {book: [link.number, link.hash.hex()] for book, link in inputs.opening.links.items()},
        "decisions": [[str(id_), released] for id_, released in sorted(inputs.context.decided.items())],
        "result": digest(encoded).hex(),
    }
