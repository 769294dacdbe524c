"""HTTP of the stock."""

from __future__ import annotations

from fastapi import APIRouter
from pydantic import Field

from backoffice.web import Now, ServiceDep, StaffDep
from issuing.applications.api import Count
from issuing.personalisation.service import scrap
from issuing.stock.rules import BlankKind
from issuing.stock.service import counts, receive
from issuing.web import Approver, ClerkOrApprover
from rulebook.messages.base import Hex, Message

router = APIRouter(prefix="/stock", tags=["stock"])


class Delivery(Message):
    """``chip_serials`` as the maker's delivery note lists them, 8 bytes each."""

    delivery: str = Field(min_length=1)
    kind: BlankKind
    chip_serials: list[Hex] = Field(min_length=1)


class Scrapping(Message):
    reason: str = Field(min_length=1)


class StockCount(Message):
    kind: str
    state: str
    count: int


@router.get("")
async def get_stock(here: ServiceDep, _: StaffDep) -> list[StockCount]:
    """How many blanks there are by kind and state."""
    async with here.database.reading() as session:
        found = await counts(session)
    return [StockCount(kind=kind, state=state, count=count) for (kind, state), count in sorted(found.items())]


@router.post("/deliveries", status_code=201)
async def post_delivery(body: Delivery, here: ServiceDep, staff: Approver, now: Now) -> Count:
    """Blanks onto the shelf. Whoever receives SAMs does not personalise them, so this is the approver's."""
    async with here.database.transaction() as session:
        count = await receive(
            session, delivery=body.delivery, kind=body.kind, chip_serials=body.chip_serials, by=staff.name, now=now
        )
        await here.accounts.record(
            session, now=now, actor=staff.name, act="delivery received", subject=body.delivery, count=count
        )
    return Count(count=count)


@router.post("/{chip_serial}/scrapping")
async def post_scrapping(
    chip_serial: Hex, body: Scrapping, here: ServiceDep, staff: ClerkOrApprover, now: Now
) -> Count:
    """A blank, or a chip torn in production, is destroyed; its application waits for another blank. A SAM that is
    in production may hold masters: whoever writes it does not scrap it."""
    async with here.database.transaction() as session:
        await scrap(session, chip_serial, reason=body.reason, by=staff.name, now=now)
        shown = chip_serial.hex().upper()
        await here.accounts.record(
            session, now=now, actor=staff.name, act="scrapped", subject=shown, reason=body.reason
        )
    return Count(count=1)
