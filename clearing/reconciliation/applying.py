"""Matching the bank's entries: looked at first, then applied: new entries in the ledger, never a changed one."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

from sqlalchemy import insert, select
from sqlalchemy.ext.asyncio import AsyncSession

from backoffice.problems import Refused
from clearing.ledger import queries as ledger
from clearing.ledger.rules import Phase, Purpose, Transfer, settling
from clearing.ledger.service import TransfersRefused, post
from clearing.opening.queries import id_prefixes
from clearing.participants.rules import City
from clearing.participants.service import city
from clearing.reconciliation import breaks, queries, standing, taken_back
from clearing.reconciliation.matching import Match, Matching, Part, Target, TargetKind, match
from clearing.reconciliation.progress import Direction, FileState, not_failed, progress
from clearing.reconciliation.settling import at_bank, settle_if_complete
from clearing.reconciliation.tables import AllocationRow, BookRow, PaymentFileRow, PaymentRow
from clearing.settlement.life import BookState
from rulebook.money import Amount

_MOVE_NOTHING = frozenset({TargetKind.BOOKED, TargetKind.ENTRY})
_OURS = frozenset({Purpose.SETTLEMENT, Purpose.ADJUSTMENT})  # an entry of the bank makes them, not the other way round


async def dry_run(session: AsyncSession, book: str) -> Matching:
    """What ``apply`` would do now. Nothing is stored."""
    here = await city(session)
    at_bank(here, book)
    entries = [queries.entry_of(row) for row in await queries.unmatched(session, book)]
    return match(entries, await open_targets(session, here, book))


async def apply(session: AsyncSession, book: str, *, actor: str, now: datetime) -> Matching:
    """Match, post, settle what is complete, and open a case for whatever is left. Raises ``Refused``."""
    here = await city(session)
    at_bank(here, book)
    await standing.running(session, book)
    matching = await dry_run(session, book)
    await book_matching(session, here, book, matching, actor=actor, now=now)
    return matching


async def book_matching(
    session: AsyncSession, here: City, book: str, matching: Matching, *, actor: str, now: datetime
) -> None:
    """Under the lock of the book's standing. Raises ``Refused``."""
    transfers = await _transfers(session, here, book, matching.matches)
    try:
        await post(session, list(transfers.values()), now=now)
    except TransfersRefused as refused:
        raise Refused(409, "The ledger refuses what the bank says", str(refused), reason="ledger_refuses") from refused
    await taken_back.reopen(session, book, matching.matches)
    await _store(session, here, book, matching, transfers, actor=actor, now=now)
    for row in await _pending(session, book):
        await settle_if_complete(session, row, now=now)
    await _follow_breaks(session, here, book, matching, actor=actor, now=now)


async def open_targets(session: AsyncSession, here: City, book: str) -> list[Target]:
    """Everything an entry of the bank can be now."""
    accounts = {p.id: p.bank_account.number for p in here.participants if p.bank_account is not None}
    calls = [
        Target(
            kind=TargetKind.CALL,
            id=leg.call,
            participant=leg.participant,
            open_minor=leg.open_minor,
            account=accounts.get(leg.participant, ""),
        )
        for row in await _pending(session, book)
        for leg in (await progress(session, row)).legs
        if leg.direction is Direction.IN and leg.open_minor > 0
    ]
    back = await taken_back.targets(session, book)
    return [*calls, *await _payments(session, book), *await booked(session, here, book), *back]


async def _pending(session: AsyncSession, book: str) -> list[BookRow]:
    """What is about to be aborted waits: its last leg may come in at any moment."""
    open_ = (BookState.PENDING, BookState.ABORTING)
    found = select(BookRow).where(BookRow.book == book, BookRow.state.in_(open_)).order_by(BookRow.window)
    return list(await session.scalars(found))


async def _payments(session: AsyncSession, book: str) -> list[Target]:
    released = select(PaymentRow).join(PaymentFileRow, PaymentFileRow.id == PaymentRow.file)
    released = released.where(PaymentFileRow.book == book, PaymentFileRow.state == FileState.RELEASED)
    rows = await not_failed(session, (await session.scalars(released.order_by(PaymentRow.id))).all())
    paid = await queries.allocated(session, TargetKind.PAYMENT, [row.id for row in rows])
    return [
        Target(
            kind=TargetKind.PAYMENT,
            id=row.id,
            participant=row.participant,
            open_minor=-row.amount_minor - paid.get(row.id, 0),
            account=row.account,
            batch=row.file,
        )
        for row in rows
        if row.amount_minor + paid.get(row.id, 0)
    ]


async def booked(session: AsyncSession, here: City, book: str) -> list[Target]:
    """What stands in the ledger's bank account without the bank having shown it; declared opening balances aside."""
    code = here.bank_accounts[book].ledger
    declared = {transfer.id for transfer in here.opening_transfers()}
    migrated = await id_prefixes(session)
    moved = [
        transfer
        for transfer in await ledger.transfers_of(session, book, code)
        if transfer.purpose not in _OURS
        and transfer.phase is Phase.SINGLE
        and transfer.id not in declared
        and not transfer.id.startswith(migrated)
    ]
    shown = await queries.allocated(session, TargetKind.BOOKED, [transfer.id for transfer in moved])
    return [
        Target(
            kind=TargetKind.BOOKED,
            id=transfer.id,
            participant=here.keepers[book],
            open_minor=transfer.amount.minor * (1 if transfer.debit == code else -1),
        )
        for transfer in moved
        if transfer.id not in shown
    ]


async def _transfers(
    session: AsyncSession, here: City, book: str, matches: Iterable[Match]
) -> dict[tuple[str, int], Transfer]:
    """New transfers by (reference, place of the part); what is booked already makes none."""
    made = {}
    account = here.bank_accounts[book].account.number
    names = [f"payment:{p.target.id}" for m in matches for p in m.parts if p.target.kind is TargetKind.PAYMENT]
    reserved = await ledger.transfers_by_id(session, names)
    for found in matches:
        for place, part in enumerate(found.parts):
            if part.target.kind is TargetKind.PAYMENT:
                pending = reserved[f"payment:{part.target.id}"]
                made[found.entry.reference, place] = settling(
                    pending, Phase.POST, id=f"{pending.id}:paid", business_day=found.entry.booked_on
                )
            elif part.target.kind not in _MOVE_NOTHING:
                made[found.entry.reference, place] = _moved(here, book, account, found, place, part)
    return made


def _moved(here: City, book: str, account: str, found: Match, place: int, part: Part) -> Transfer:
    """What came in, or back, is the participant's; what is taken back was. Named after the bank's own reference, so that it
    can be posted once only."""
    own = here.settlement_account(part.target.participant, book)
    assert own is not None
    bank = here.bank_accounts[book].ledger
    debit, credit = (bank, own) if part.amount_minor > 0 else (own, bank)
    return Transfer(
        id=f"bank:{account}:{found.entry.reference}:{place}",
        book=book,
        debit=debit,
        credit=credit,
        amount=Amount(abs(part.amount_minor)),
        purpose=Purpose.SETTLEMENT,
        business_day=found.entry.booked_on,
        reference=part.target.id,
    )


async def _store(
    session: AsyncSession,
    here: City,
    book: str,
    matching: Matching,
    transfers: dict[tuple[str, int], Transfer],
    *,
    actor: str,
    now: datetime,
) -> None:
    rows = [
        {
            "account": here.bank_accounts[book].account.number,
            "reference": found.entry.reference,
            "number": place,
            "kind": taken_back.OF.get(part.target.kind, part.target.kind),
            "target": part.target.id,
            "book": book,
            "amount_minor": part.amount_minor,
            "rule": found.rule,
            "transfer": transfers[found.entry.reference, place].id
            if (found.entry.reference, place) in transfers
            else part.target.id,
            "made_by": actor,
            "made_at": now,
        }
        for found in matching.matches
        for place, part in enumerate(found.parts)
    ]
    rows += [
        row | {"reference": row["target"], "target": row["reference"], "number": 0, "amount_minor": -part.amount_minor}
        for row, part in zip(rows, [part for found in matching.matches for part in found.parts], strict=True)
        if part.target.kind is TargetKind.ENTRY
    ]
    if rows:
        await session.execute(insert(AllocationRow), rows)


async def _follow_breaks(
    session: AsyncSession, here: City, book: str, matching: Matching, *, actor: str, now: datetime
) -> None:
    """A case for every entry that is left; those of entries that found their match, and of lifted stops, are closed."""
    number = here.bank_accounts[book].account.number
    subjects = [breaks.unmatched_entry(here, book, number, entry) for entry in matching.unmatched]
    await breaks.open_new(session, subjects, here, actor=actor, now=now)
    still_there = {breaks.unmatched_id(number, row.reference) for row in await queries.unmatched(session, book)}
    await breaks.close_those_that_went(session, book, still_there, actor=actor, now=now)
