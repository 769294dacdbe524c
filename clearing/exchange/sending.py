"""Our claims on other cities: packed when a window has closed, fetched by them, answered, ruled on, put into the ledger."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime

from sqlalchemy.ext.asyncio import AsyncSession

from backoffice.problems import Refused
from backoffice.states import step
from clearing.cases.queries import waiting
from clearing.cases.rules import CaseKind
from clearing.cases.service import close_vanished, open_cases
from clearing.exchange import queries
from clearing.exchange.booking import Item, cases_of_claims, confirmed_here, paid_here
from clearing.exchange.codec import decode, encode
from clearing.exchange.keys import CentreKey
from clearing.exchange.messages import AccountingResult, DisputeResult, MessageKind, Package, Ruling, Verdict
from clearing.exchange.packing import Claimed, Packed, content_of, pack
from clearing.exchange.partners import Exchange, Partner
from clearing.exchange.queries import Direction, adjusted
from clearing.exchange.rules import (
    AWAITED,
    LIFE,
    ItemState,
    PackageEvent,
    PackageState,
    faults_of_answer,
    state_of_item,
)
from clearing.exchange.signing import delivery
from clearing.exchange.tables import ItemRow, PackageRow, PackedWindowRow
from clearing.exchange.unanswered import end_of_waiting
from clearing.ledger.rules import Transfer
from clearing.ledger.service import TransfersRefused, post
from clearing.participants.rules import City
from clearing.settlement.tables import WindowRow
from rulebook.calendar import BUSINESS_ZONE


async def make_packages(
    session: AsyncSession, window: WindowRow, claims: Sequence[Claimed], of: City, key: CentreKey, *, now: datetime
) -> PackedWindowRow:
    """Once for each closed window, in the order of windows; what was claimed before under the same content is left out. A
    repeat changes nothing. Raises ``Refused``."""
    exchange = exchange_of(of)
    for partner in exchange.partners:
        await queries.lock(session, partner.participant)
    if (done := await session.get(PackedWindowRow, window.number)) is not None:
        return done
    if window.number > 1 and await session.get(PackedWindowRow, window.number - 1) is None:
        detail = f"make the packages of window {window.number - 1} first: their numbers come before"
        raise Refused(409, "The window before is not packed", detail, reason="window_before_not_packed")
    assert window.business_day is not None
    known = await queries.claimed(session, {each.id for each in claims})
    new = [each for each in claims if (each.id, content_of(each.claim)) not in known]
    last = {
        partner.centre: await queries.last_number(session, Direction.OUT, partner.participant, MessageKind.PACKAGE)
        for partner in exchange.partners
    }
    packing = pack(new, exchange, cleared_on=window.business_day, last_numbers=last)
    for packed in packing.packages:
        await _store(session, packed, of, window.number, key, now=now)
    row = PackedWindowRow(
        window=window.number,
        claims=sum(len(packed.package.transactions) for packed in packing.packages),
        without_partner=len(packing.without_partner),
        without_partner_minor=sum(each.claim.inputs.amount_minor for each in packing.without_partner),
        packed_at=now,
    )
    session.add(row)
    await session.flush()
    return row


def exchange_of(of: City) -> Exchange:
    """Raises ``Refused``."""
    if of.exchange is None:
        detail = "the city's document has no exchange; publish one that names the other cities"
        raise Refused(409, "This city exchanges with nobody", detail, reason="no_exchange")
    return of.exchange


async def _store(
    session: AsyncSession, packed: Packed, of: City, window: int, key: CentreKey, *, now: datetime
) -> None:
    package = packed.package
    partner = exchange_of(of).partner(package.receiver)
    assert partner is not None
    name, content = partner.participant, encode(package)
    signature = key.sign(delivery(content))
    await queries.store_message(
        session, Direction.OUT, name, MessageKind.PACKAGE, package.number, content, signature, now=now
    )
    session.add(
        PackageRow(
            direction=Direction.OUT,
            partner=name,
            number=package.number,
            window=window,
            issuer=package.issuer,
            cleared_on=package.cleared_on,
            count=len(package.transactions),
            amount_minor=package.amount.minor,
            state=PackageState.MADE,
            at=now,
            due=_due(partner, of, now),
            reminders=0,
        )
    )
    await session.flush()
    await queries.store_items(session, Direction.OUT, _items(packed, name))


def _items(packed: Packed, partner: str) -> list[Item]:
    package = packed.package
    return [
        Item(
            partner=partner,
            package=package.number,
            number=each.number,
            transaction=each.id,
            content=each.content,
            amount_minor=each.amount_minor,
            business_day=day,
            operator=operator,
        )
        for each, (operator, day) in zip(package.transactions, packed.origins, strict=True)
    ]


async def sent(session: AsyncSession, partner: Partner, number: int, of: City, *, now: datetime) -> PackageRow:
    """The other city has the package; from the first time on it has its working days to answer. Harmless to repeat, also
    after the answer."""
    row = await _package(session, partner, number)
    if row.state not in AWAITED:
        return row
    row.state = _next(row, PackageEvent.SEND)
    if row.sent_at is None:
        row.sent_at, row.due = now, _due(partner, of, now)
    await session.flush()
    return row


def _due(partner: Partner, of: City, now: datetime) -> date:
    return of.rules().calendar.deadline_after(now.astimezone(BUSINESS_ZONE).date(), partner.answer_within_days)


async def remind(session: AsyncSession, partner: Partner, number: int, *, now: datetime) -> PackageRow:
    """Ask again for an answer that is overdue. Raises ``Refused``."""
    row = await _package(session, partner, number)
    state = _next(row, PackageEvent.REMIND)
    today = now.astimezone(BUSINESS_ZONE).date()
    if row.due is None or today <= row.due:
        detail = f"the answer to package {number} is due by {row.due}; remind after it"
        raise Refused(409, "The answer is not overdue", detail, reason="not_overdue")
    row.state, row.reminders = state, row.reminders + 1
    await session.flush()
    return row


async def take_answer(
    session: AsyncSession, partner: Partner, result: AccountingResult, of: City, *, now: datetime
) -> None:
    """What is confirmed is posted, what is not becomes a case each. Raises ``Refused`` with every fault."""
    row = await _package(session, partner, result.number)
    if faults := faults_of_answer(result, await _sent_package(session, row)):
        raise Refused(422, "The answer does not fit its package", reason="answer_differs", errors=_errors(faults))
    rows = await queries.item_rows(session, Direction.OUT, partner.participant, row.number, locked=True)
    for item_row in rows:
        code = result.disputed.get(item_row.number)
        item_row.dispute, item_row.state = code, state_of_item(code, item_row.amount_minor)
    items = [queries.item_of(item_row) for item_row in rows]
    waits = any(item.state is ItemState.DISPUTED for item in items)
    row.state = _next(row, PackageEvent.DISPUTE if waits else PackageEvent.CONFIRM)
    row.answered_at, row.confirmed_minor, row.disputed = now, result.confirmed.minor, len(result.disputed)
    await _post(session, confirmed_here(items), now=now)
    calendar = of.rules().calendar
    await open_cases(session, cases_of_claims(items), calendar=calendar, actor=partner.participant, now=now)
    await end_of_waiting(session, actor=partner.participant, now=now)
    await session.flush()


async def take_rulings(session: AsyncSession, partner: Partner, result: DisputeResult, *, now: datetime) -> None:
    """What the other city's people said of disputed claims: paid ones are posted and their cases closed; a bad debt's case
    stays until two of ours have said who bears it. Raises ``Refused`` with every fault."""
    packages = sorted({ruling.package for ruling in result.rulings})
    rows = {
        (row.package, row.number): row
        for number in packages
        for row in await queries.item_rows(session, Direction.OUT, partner.participant, number, locked=True)
    }
    if faults := [fault for ruling in result.rulings for fault in _faults(ruling, rows)]:
        raise Refused(422, "The rulings do not fit", reason="ruling_differs", errors=_errors(faults))
    paid: list[Item] = []
    for ruling in result.rulings:
        row = rows[ruling.package, ruling.transaction]
        row.state = ItemState.PAID if ruling.verdict is Verdict.PAY else ItemState.REFUSED
        row.ruled_in = result.number
        if ruling.verdict is Verdict.PAY:
            paid.append(queries.item_of(row))
    await session.flush()
    borne = await adjusted(session, [item.claim_case for item in paid])
    await _post(session, [paid_here(item, borne=item.claim_case in borne) for item in paid], now=now)
    settled = {item.claim_case for item in paid}
    left = {row.id for row in await waiting(session, CaseKind.CLAIM_REFUSED)} - settled
    await close_vanished(session, CaseKind.CLAIM_REFUSED, left, actor=partner.participant, now=now)
    for number in packages:
        await _settle_where_done(session, partner, number)


async def _settle_where_done(session: AsyncSession, partner: Partner, number: int) -> None:
    row = await _package(session, partner, number)
    rows = await queries.item_rows(session, Direction.OUT, partner.participant, number)
    if row.state == PackageState.DISPUTED and all(each.state != ItemState.DISPUTED for each in rows):
        row.state = _next(row, PackageEvent.RULE)
        await session.flush()


def _faults(ruling: Ruling, rows: dict[tuple[int, int], ItemRow]) -> list[str]:
    """A dispute that was the last word may be ruled on as well: the other city's people know better than its rules."""
    row = rows.get((ruling.package, ruling.transaction))
    where = f"MessageList {ruling.package}: TransId {ruling.transaction}"
    if row is None or row.ruled_in is not None or row.state not in (ItemState.DISPUTED, ItemState.REFUSED):
        return [f"{where} is nothing that was disputed and not ruled on"]
    if row.amount_minor != ruling.amount_minor:
        return [f"{where}: Fee is {ruling.amount_minor} fen; claimed were {row.amount_minor}"]
    return []


async def _package(session: AsyncSession, partner: Partner, number: int) -> PackageRow:
    """Locked. Raises ``Refused``."""
    row = await queries.package(session, Direction.OUT, partner.participant, number, locked=True)
    if row is None:
        detail = f"package {number} was never made for {partner.participant}"
        raise Refused(404, "There is no such package", detail, reason="package_unknown")
    return row


async def _sent_package(session: AsyncSession, row: PackageRow) -> Package:
    found = await queries.message(session, Direction.OUT, row.partner, MessageKind.PACKAGE, row.number)
    assert found is not None
    package = decode(found.content)
    assert isinstance(package, Package)
    return package


def _next(row: PackageRow, event: PackageEvent) -> PackageState:
    """Raises ``Refused``."""
    return step(LIFE, f"package {row.number}", PackageState(row.state), event, reason=f"package_{row.state}")


async def _post(session: AsyncSession, transfers: Sequence[Transfer], *, now: datetime) -> None:
    try:
        await post(session, transfers, now=now)
    except TransfersRefused as refused:
        raise Refused(409, "The ledger refuses the entry", str(refused), reason="ledger_refuses") from refused


def _errors(faults: Sequence[str]) -> list[dict[str, str]]:
    return [{"field": "message", "message": fault} for fault in faults]
