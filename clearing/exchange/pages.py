"""The exchange as staff see it: what goes to other cities, what comes from them, what is in dispute."""

from __future__ import annotations

from fastapi import APIRouter, Request, Response
from fastapi.responses import HTMLResponse

from backoffice.problems import Refused
from backoffice.web import Now, ServiceDep, StaffDep
from clearing.cases.queries import known_ids
from clearing.exchange import queries
from clearing.exchange.booking import unanswered_case
from clearing.exchange.keys import CentreKeyDep
from clearing.exchange.messages import MessageKind
from clearing.exchange.queries import Direction
from clearing.exchange.rules import DISPUTES, ItemState
from clearing.exchange.views import DIRECTIONS, ITEMS, KINDS, STATES, package_view
from clearing.participants.service import city
from rulebook.calendar import BUSINESS_ZONE

router = APIRouter(include_in_schema=False, default_response_class=HTMLResponse)
SHOWN = 500


@router.get("/exchange")
async def exchange(request: Request, _: StaffDep, here: ServiceDep, key: CentreKeyDep, moment: Now) -> Response:
    today = moment.astimezone(BUSINESS_ZONE).date()
    async with here.database.reading() as session:
        of = await city(session)
        packages = {
            direction: [package_view(row, today=today) for row in (await queries.packages(session, direction))[:SHOWN]]
            for direction in Direction
        }
        partners = of.exchange.partners if of.exchange else ()
        gaps = {
            (each.participant, kind): await queries.missing(session, each.participant, kind)
            for each in partners
            for kind in (MessageKind.PACKAGE, MessageKind.DISPUTE)
        }
        unpacked = await queries.without_partner(session)
        overdue = [unanswered_case(each.partner, each.number) for each in packages[Direction.OUT] if each.overdue]
        cases = await known_ids(session, overdue)
    return here.page(
        request,
        "exchange.html",
        partners=partners,
        packages=packages,
        gaps={name: numbers for name, numbers in gaps.items() if numbers},
        unpacked=unpacked,
        cases=cases,
        unanswered_case=unanswered_case,
        public_key=key.public.hex().upper(),
        centre=of.exchange.centre.hex().upper() if of.exchange else "",
        names={p.id: f"{p.zh} {p.en}" for p in of.participants},
        directions=DIRECTIONS,
        states=STATES,
        kinds=KINDS,
    )


@router.get("/exchange/{direction}/{partner}/{number}")
async def package(
    direction: Direction, partner: str, number: int, request: Request, _: StaffDep, here: ServiceDep, moment: Now
) -> Response:
    async with here.database.reading() as session:
        row = await queries.package(session, direction, partner, number)
        if row is None:
            detail = f"package {number} of {partner}"
            raise Refused(404, "There is no such package", detail, reason="package_unknown")
        rows = await queries.item_rows(session, direction, partner, number)
        items = [queries.item_of(each) for each in rows]
        of = await city(session)
    items.sort(key=lambda item: (item.dispute is None, item.number))
    return here.page(
        request,
        "exchange_package.html",
        package=package_view(row, today=moment.astimezone(BUSINESS_ZONE).date()),
        items=items[:SHOWN],
        left_out=max(0, len(items) - SHOWN),
        names={p.id: f"{p.zh} {p.en}" for p in of.participants},
        directions=DIRECTIONS,
        states=STATES,
        ends=ITEMS,
        disputes=DISPUTES,
        with_case=_with_case(direction),
    )


def _with_case(direction: Direction) -> frozenset[ItemState]:
    """Of a disputed transaction's states, those that a case was opened for."""
    every = frozenset({ItemState.DISPUTED, ItemState.REFUSED, ItemState.PAID})
    return every if direction is Direction.OUT else every - {ItemState.REFUSED}
