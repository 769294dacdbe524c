"""Freezing a window: what its result will follow from is read from the database once, and stays."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import date

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from clearing.cases.queries import all_decided_taps
from clearing.devices.queries import known_devices
from clearing.facts import queries as facts
from clearing.facts.register import card_register
from clearing.intake import queries as intake
from clearing.intake.store import RawStore
from clearing.intake.tables import BatchRow, LoadRecordRow
from clearing.ledger import queries as ledger
from clearing.ledger.chain import Link
from clearing.loads.tables import LoadRow
from clearing.opening.counters import brought_counters
from clearing.participants.charging import NOTHING_RUNNING
from clearing.participants.documents import DocumentKind
from clearing.participants.publishing import in_force
from clearing.participants.rules import City
from clearing.participants.service import city, tariff_documents
from clearing.settlement import queries
from clearing.settlement.encoding import decode
from clearing.settlement.frozen import Frozen, Piece
from clearing.settlement.model import WindowResult
from clearing.verification.context import KnownLoad, TransactionId
from clearing.verification.joining import RecordId
from clearing.verification.reasons import Status
from rulebook.batch import OFFSET
from rulebook.messages.loads import LoadState
from rulebook.record.record import RECORD_LENGTH

_TERMS = (DocumentKind.CONTRACTS, DocumentKind.APPORTIONMENT)


async def gather(session: AsyncSession, store: RawStore, number: int, business_day: date) -> Frozen:
    """As everything stands now; the card register is put into ``store``."""
    here = await city(session)
    before = await _result_before(session, number)
    # Between freezing and approval the window before has its transfers, but the chain does not say so yet.
    taken = {numbered.transfer.id for numbered in before.transfers} if before else set()
    waiting = _suspended(before)
    return Frozen(
        number=number,
        business_day=business_day,
        city=here.model_dump(mode="json"),
        documents={kind: found.document for kind in _TERMS if (found := await in_force(session, kind)) is not None},
        tariffs=await tariff_documents(session),
        records=tuple(_piece(batch) for batch in await intake.batches(session, number)),
        waiting=tuple(await _pieces_of(session, waiting)),
        covered=await intake.journals_before(session, number),
        devices=await known_devices(session),
        sams={sam.sam_serial: sam for sam in await facts.sams(session)},
        deny=await facts.deny_list(session),
        cards=await card_register(session, store),
        loads=await _loads(session, number, waiting),
        held=before.held if before else {},
        decided=await all_decided_taps(session),
        online=tuple(
            [t for book in sorted(here.keepers) for t in await ledger.unlinked(session, book) if t.id not in taken]
        ),
        links=await _last_links(session, here),
        balances={(p.book, p.participant): p.closing_minor for p in before.positions} if before else {},
        counters=tuple(await queries.counters_in_force(session)),
        brought=tuple(await brought_counters(session)),
        cleared=tuple(await queries.cleared_files(session)),
        running=before.running if before else NOTHING_RUNNING,
    )


def _piece(batch: BatchRow) -> Piece:
    return Piece(batch.device, batch.first_sequence, batch.count, batch.stored_as, OFFSET)


def _suspended(before: WindowResult | None) -> list[RecordId]:
    """A window judges all that the one before it left open, so this is all that is open."""
    rows = before.exceptions if before else ()
    return [row.decision.record for row in rows if row.decision.status is Status.SUSPENDED]


async def _pieces_of(session: AsyncSession, records: Iterable[RecordId]) -> list[Piece]:
    """A piece for each record."""
    wanted: dict[str, list[int]] = {}
    for device, sequence in sorted(records):
        wanted.setdefault(device, []).append(sequence)
    batches = await intake.batches_of_records(session, records)
    found: dict[RecordId, Piece] = {}
    for batch in batches:
        for sequence in wanted[batch.device]:
            if batch.first_sequence <= sequence <= batch.last_sequence:
                offset = OFFSET + (sequence - batch.first_sequence) * RECORD_LENGTH
                found.setdefault((batch.device, sequence), Piece(batch.device, sequence, 1, batch.stored_as, offset))
    return [piece for _, piece in sorted(found.items())]


_LOAD_ID = ("issuer", "serial", "purse", "online_sequence")


async def _loads(session: AsyncSession, number: int, waiting: list[RecordId]) -> dict[TransactionId, KnownLoad]:
    """Those that records of the window, or records left open, name. A posted attempt of a load before one that is only
    reserved; a voided one is no load."""
    same = [getattr(LoadRow, name) == getattr(LoadRecordRow, name) for name in _LOAD_ID]
    of_device = {device for device, _ in waiting}
    rows = await session.execute(
        select(
            LoadRow.issuer, LoadRow.serial, LoadRow.purse, LoadRow.online_sequence, LoadRow.amount_minor, LoadRow.state
        )
        .where(
            LoadRow.state != LoadState.VOIDED,
            select(LoadRecordRow.device)
            .where(*same, (LoadRecordRow.window == number) | LoadRecordRow.device.in_(of_device))
            .exists(),
        )
        .order_by(LoadRow.state.desc(), LoadRow.attempt)
    )
    found: dict[TransactionId, KnownLoad] = {}
    for issuer, serial, purse, sequence, amount, state in rows:
        posted = state == LoadState.POSTED
        key = TransactionId(issuer, serial, purse, True, sequence)
        if posted or key not in found:
            found[key] = KnownLoad(amount, posted)
    return found


async def unposted_proofs(session: AsyncSession, number: int) -> Sequence[LoadRecordRow]:
    """Records of the window that prove a load which is not posted, in order of their ids."""
    same = [getattr(LoadRow, name) == getattr(LoadRecordRow, name) for name in _LOAD_ID]
    posted = select(LoadRow.attempt).where(*same, LoadRow.state == LoadState.POSTED).exists()
    found = select(LoadRecordRow).where(LoadRecordRow.window == number, LoadRecordRow.tac.is_not(None), ~posted)
    return (await session.scalars(found.order_by(LoadRecordRow.device, LoadRecordRow.journal_sequence))).all()


async def _result_before(session: AsyncSession, number: int) -> WindowResult | None:
    row = await queries.window(session, number - 1)
    return decode(row.result) if row is not None and row.result is not None else None


async def _last_links(session: AsyncSession, here: City) -> dict[str, Link]:
    links = {book: await ledger.last_link(session, book) for book in here.keepers}
    return {book: link for book, link in links.items() if link is not None}
