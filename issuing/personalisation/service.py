"""Production in two transactions: the chip is claimed with its numbers, then (read back) everything says it is done."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy.ext.asyncio import AsyncSession

from backoffice.problems import Refused
from backoffice.two_people import a_second_person
from card_os.profile.citizen import CITIZEN_CARD
from card_os.profile.psam import HOSPITAL_SAM, TRANSIT_SAM
from card_os.wire.identifiers import PIN
from hardware.vault.vault import Vault
from issuing.applications import service as applications
from issuing.applications.rules import ApplicationEvent, ApplicationState
from issuing.applications.rules import next_state as next_application_state
from issuing.applications.tables import ApplicationRow
from issuing.card_register import service as cards
from issuing.card_register.tables import CardRow, card_number_sequence
from issuing.keys import service as keys
from issuing.keys.service import WrittenKey
from issuing.personalisation.contents import DEMONSTRATION_PIN, Validity, citizen_contents, sam_contents
from issuing.personalisation.dialogue import Plan
from issuing.personalisation.identity import ISSUER, Identity
from issuing.personalisation.tables import ProductionRow
from issuing.products import PRODUCTS, last_day
from issuing.register import service as register
from issuing.sams import service as sams
from issuing.sams.tables import SamRow, sam_number_sequence
from issuing.stock import service as stock
from issuing.stock.rules import BlankEvent, BlankKind, BlankState
from issuing.stock.tables import BlankRow
from rulebook.calendar.calendar import BUSINESS_ZONE
from rulebook.messages.facts import CardState, SamState
from rulebook.numbers.card_number import application_serial, sam_serial, terminal_number
from rulebook.numbers.check_character import social_security_card_number

KEY_VERSION = 1
SAM_SPECS = {BlankKind.TRANSIT_SAM: TRANSIT_SAM, BlankKind.HOSPITAL_SAM: HOSPITAL_SAM}
SAM_VALID_YEARS = 10  # ours


@dataclass(frozen=True, slots=True)
class Job:
    """One conversation to be had: write ``plan``, then call ``finish``; ``resumed`` where one broke before."""

    plan: Plan
    kind: BlankKind
    terminal_number: bytes | None
    resumed: bool


async def start(
    session: AsyncSession, vault: Vault, chip_serial: bytes, *, application: str | None, by: str, now: datetime
) -> Job:
    """Claim the chip in the reader, or take its production up again. Raises ``Refused``."""
    blank = await stock.locked(session, chip_serial)
    kind = BlankKind(blank.kind)
    if kind is not BlankKind.CARD:
        a_second_person(by, first=blank.received_by, what="making the SAM that was received")
    row = await session.get(ProductionRow, chip_serial) if blank.state == BlankState.IN_PRODUCTION else None
    if row is None:
        await stock.move(session, blank, BlankEvent.START, by=by, now=now)
        row = await _claim(session, blank, application, by, now)
    else:
        row.attempts += 1
    await session.flush()
    plan = await _plan(session, vault, row)
    return Job(plan, kind, row.terminal_number, resumed=row.attempts > 1)


async def finish(
    session: AsyncSession, chip_serial: bytes, written: Sequence[WrittenKey], *, by: str, now: datetime
) -> ProductionRow:
    """The chip was read back whole: stock, key log, register and feed say so in one transaction."""
    blank = await stock.locked(session, chip_serial)
    row = await _production(session, chip_serial)
    await stock.move(session, blank, BlankEvent.FINISH, by=by, now=now)
    await keys.log(session, chip_serial, written, now=now)
    row.finished_at, row.last_break = now, ""
    if row.application is not None:
        await _enter_card(session, row, row.application, now)
    else:
        await _enter_sam(session, row, now)
    return row


async def broke(
    session: AsyncSession, chip_serial: bytes, written: Sequence[WrittenKey], reason: str, *, now: datetime
) -> None:
    """The conversation ended early: the chip stays in production until it is presented again or scrapped."""
    row = await _production(session, chip_serial)
    row.last_break = reason
    await keys.log(session, chip_serial, written, now=now)
    await session.flush()


async def scrap(session: AsyncSession, chip_serial: bytes, *, reason: str, by: str, now: datetime) -> None:
    """Take a chip out for good, named; its application waits for another blank. Raises ``Refused``."""
    blank = await stock.locked(session, chip_serial)
    row = await _production(session, chip_serial) if blank.state == BlankState.IN_PRODUCTION else None
    if row is not None and row.terminal_number is not None:
        a_second_person(by, first=row.started_by, what="scrapping a SAM that may hold master keys")
    await stock.move(session, blank, BlankEvent.SCRAP, by=by, now=now, reason=reason)
    if row is not None:
        row.last_break = reason
        if row.application is not None:
            await applications.move(session, [row.application], ApplicationEvent.SCRAP)
    await session.flush()


async def _production(session: AsyncSession, chip_serial: bytes) -> ProductionRow:
    row = await session.get(ProductionRow, chip_serial, with_for_update=True)
    if row is None:
        raise Refused(404, "This chip is not in production", reason="not_in_production")
    return row


async def _claim(
    session: AsyncSession, blank: BlankRow, application: str | None, by: str, now: datetime
) -> ProductionRow:
    today = now.astimezone(BUSINESS_ZONE).date()
    row = ProductionRow(
        chip_serial=blank.chip_serial,
        kind=blank.kind,
        valid_from=today,
        attempts=1,
        started_by=by,
        started_at=now,
        last_break="",
    )
    if blank.kind == BlankKind.CARD:
        wanted = await _application(session, application)
        number: int = await session.scalar(card_number_sequence)
        row.application = wanted.application
        row.serial = application_serial(number)
        row.social_card_number = social_security_card_number(number)
        row.valid_to = last_day(today, PRODUCTS[wanted.product].valid_years)
    else:
        number = await session.scalar(sam_number_sequence)
        row.serial, row.terminal_number = sam_serial(number), terminal_number(number)
        row.valid_to = last_day(today, SAM_VALID_YEARS)
    session.add(row)
    return row


async def _application(session: AsyncSession, application: str | None) -> ApplicationRow:
    row = await applications.next_approved(session, application)
    if row is None:
        raise Refused(409, "No approved application waits for a card", reason="no_application")
    row.state = next_application_state(ApplicationState(row.state), ApplicationEvent.START)
    return row


async def _plan(session: AsyncSession, vault: Vault, row: ProductionRow) -> Plan:
    identity = Identity(row.chip_serial, row.serial)
    validity = Validity(row.valid_from, row.valid_to)
    if row.terminal_number is not None:
        spec = SAM_SPECS[BlankKind(row.kind)]
        return Plan(spec, identity, sam_contents(spec, identity, validity, terminal_number=row.terminal_number), {})
    application = await session.get_one(ApplicationRow, row.application)
    entry = await register.find(session, vault, application.person)
    assert row.social_card_number is not None
    row.rider_class = entry.rider_class(row.valid_from)  # as it is being written on the card
    contents = citizen_contents(CITIZEN_CARD, identity, entry, validity, social_card_number=row.social_card_number)
    return Plan(CITIZEN_CARD, identity, contents, {PIN: DEMONSTRATION_PIN})


async def _enter_card(session: AsyncSession, row: ProductionRow, application: str, now: datetime) -> None:
    wanted = await session.get_one(ApplicationRow, application)
    await applications.move(session, [application], ApplicationEvent.FINISH)
    card = CardRow(
        serial=row.serial,
        chip_serial=row.chip_serial,
        issuer=ISSUER,
        application=application,
        person=wanted.person,
        product=wanted.product,
        rider_class=row.rider_class or "",
        key_version=KEY_VERSION,
        valid_from=row.valid_from,
        valid_to=row.valid_to,
        purse_limit_minor=PRODUCTS[wanted.product].purse_limit_minor,
        social_card_number=row.social_card_number or "",
        state=CardState.PERSONALISED,
        changed_at=now,
    )
    await cards.enter(session, card)


async def _enter_sam(session: AsyncSession, row: ProductionRow, now: datetime) -> None:
    assert row.terminal_number is not None
    sam = SamRow(
        sam_serial=row.serial,
        chip_serial=row.chip_serial,
        terminal_number=row.terminal_number,
        kind=row.kind,
        issuer=ISSUER,
        key_version=KEY_VERSION,
        state=SamState.PERSONALISED,
        changed_at=now,
    )
    await sams.enter(session, sam)
