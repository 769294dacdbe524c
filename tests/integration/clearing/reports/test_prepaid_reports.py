"""A quarter, a day and a figure, down to the transfers, out of a real ledger."""

from __future__ import annotations

import csv
import io
from datetime import date, datetime, timedelta
from typing import Any

from clearing.ledger.accounts import Kind, account
from clearing.ledger.rules import Purpose, Transfer
from clearing.ledger.service import open_accounts, post
from clearing.reports.queries import BusinessDays, Overdue, movements, overdue_refunds
from clearing.reports.rules import Figure, Flow, daily
from rulebook.calendar import BUSINESS_ZONE, calendar_named
from rulebook.money import Amount

DAYS_LATER = date(2026, 10, 20)
DAYS = BusinessDays(calendar_named("china").cut_off)


def moved(number: int, debit: str, credit: str, minor: int, purpose: Purpose = Purpose.REFUND) -> Transfer:
    return Transfer(
        id=f"test:{number}",
        book="transit",
        debit=debit,
        credit=credit,
        amount=Amount(minor),
        purpose=purpose,
        business_day=date(2026, 1, 1),
    )


async def _post(house: Any, at: datetime, *transfers: Transfer) -> None:
    async with house.database.transaction() as session:
        owners = {c.partition(":")[2] for t in transfers for c in (t.debit, t.credit) if c.startswith("refunds-owed")}
        await open_accounts(session, [account("transit", Kind.REFUNDS_OWED, owner) for owner in sorted(owners)])
        await post(session, transfers, now=at)


async def test_a_days_end_is_the_cut_off_and_refunds_age_first_in_first_out(house: Any) -> None:
    day = date(2026, 10, 1)
    last = DAYS.end(day) - timedelta(seconds=1)
    await _post(
        house,
        last,
        moved(1, "operator-payable:bus-a", "refunds-owed:C1", 100),
        moved(2, "operator-payable:bus-a", "refunds-owed:C2", 40),
    )
    await _post(house, DAYS.end(day), moved(3, "operator-payable:bus-a", "refunds-owed:C1", 60))
    later = DAYS.begin(day + timedelta(days=16))
    await _post(house, later, moved(4, "refunds-owed:C1", "float-at-bank", 70))
    async with house.database.reading() as session:
        found = daily(await movements(session, DAYS, day, day + timedelta(days=16)), day, day + timedelta(days=16))
        in_time = await overdue_refunds(session, DAYS, day + timedelta(days=14))
        overdue = await overdue_refunds(session, DAYS, day + timedelta(days=15))
        paid = await overdue_refunds(session, DAYS, day + timedelta(days=16))
    assert [found[n].balances[Figure.REFUNDS] for n in (0, 1, 15, 16)] == [140, 200, 200, 130]
    assert (found[0].flows[Flow.REFUNDS_ARISEN], found[16].flows[Flow.REFUNDS_MADE]) == (140, 70)
    assert in_time == Overdue(0, 0)
    assert overdue == Overdue(2, 140)
    assert paid == Overdue(2, 30 + 60 + 40)


async def test_a_later_first_day_begins_with_what_was_before(house: Any) -> None:
    """Whatever was recorded since, and is not asked for, is no balance of that day."""
    day = date(2026, 10, 1)
    for n in range(5):
        at = DAYS.begin(day + timedelta(days=n))
        await _post(house, at, moved(n, "operator-payable:bus-a", "refunds-owed:C1", 10**n))
    async with house.database.reading() as session:
        every = daily(await movements(session, DAYS, day, day + timedelta(days=4)), day, day + timedelta(days=4))
        found = [
            daily(await movements(session, DAYS, first, last), first, last)
            for first, last in [(day + timedelta(days=1), day + timedelta(days=2)), (day, day), (day, DAYS_LATER)]
        ]
    assert [one.balances[Figure.REFUNDS] for one in every] == [1, 11, 111, 1111, 11111]
    assert found[0] == every[1:3]
    assert found[1] == every[:1]
    assert found[2][:5] == every
    assert found[2][-1].balances == every[-1].balances


async def test_the_pages_go_from_the_quarter_to_the_transfers(house: Any) -> None:
    now = datetime(2026, 9, 15, 20, tzinfo=BUSINESS_ZONE)
    await _post(
        house,
        now,
        moved(1, "agent-prefunded:agent-1", "value-on-cards", 30_000, Purpose.LOAD),
        moved(2, "float-at-bank", "deposits-on-cards", 2_000, Purpose.DEPOSIT),
    )
    async with house.staff("wang") as wang:
        quarter = await wang.get("/reports/prepaid")
        rows = list(csv.DictReader(io.StringIO((await wang.get("/reports/prepaid.csv?quarter=2026Q3")).text)))
        day = await wang.get("/reports/prepaid/2026-09-15")
        figure = await wang.get("/reports/prepaid/2026-09-15/value-on-cards")
        wrong = await wang.get("/reports/prepaid.csv?quarter=2026Q7")
        ahead = await wang.get("/reports/prepaid/2026-09-16")
        empty = await wang.get("/reports/prepaid?quarter=2027Q1")
    assert "FLOAT-1" in quarter.text
    assert "2026-10-25" in quarter.text
    newest = rows[-1]
    assert newest["business_day"] == "2026-09-15"
    assert (newest["value_on_cards_minor"], newest["deposits_minor"], newest["deposits_taken_minor"]) == (
        "30000",
        "2000",
        "2000",
    )
    assert newest["float_minor"] == newest["required_minor"] != "0"
    assert newest["cover_per_10000"] == "10000"
    assert "agent-prefunded%3Aagent-1" in day.text
    assert "dormant" in day.text.lower()
    assert "test:1" in figure.text
    assert "test:2" not in figure.text
    assert (wrong.status_code, wrong.json()["reason"]) == (422, "quarter_unknown")
    assert (ahead.status_code, ahead.json()["reason"]) == (404, "day_not_begun")
    assert "Not begun" in empty.text
