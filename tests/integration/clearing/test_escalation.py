"""A dispute is raised, answered, escalated at its deadline, decided by two persons; the result is an adjustment."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from clearing.cases.escalation import escalate
from clearing.ledger import queries as ledger
from rulebook.calendar import BUSINESS_ZONE

DISPUTE = {
    "number": "2026-18",
    "book": "transit",
    "claimant": "bus-a",
    "respondent": "bus-b",
    "amount_minor": "350",
    "note": "line B201 was ours that week",
}
CASE = "dispute:bus-a:2026-18"


async def _escalated(house: Any, day: int) -> list[str]:
    async with house.database.transaction() as session:
        return await escalate(session, now=datetime(2026, 9, day, 9, tzinfo=BUSINESS_ZONE))


async def test_a_dispute_nobody_ends_in_time_is_the_keepers(house: Any) -> None:
    async with house.staff("wang") as wang, house.staff("li") as li:
        opened = (await wang.post("/cases", data=DISPUTE)).json()
        assert (opened["owner"], opened["deadline"], opened["escalated_to"]) == ("bus-b", "2026-09-21", "")
        assert await _escalated(house, 21) == []
        answered = (await li.post(f"/cases/{CASE}/answer", data={"note": "we looked, it was not"})).json()
        assert answered["state"] == "open"
        assert await _escalated(house, 22) == [CASE]
        assert await _escalated(house, 23) == []  # once
        again = (await wang.post("/cases", data=DISPUTE)).json()
        # Five working days later, the Mid-Autumn holiday of 25 to 27 September 2026 left out.
        assert (again["owner"], again["escalated_to"], again["deadline"]) == ("bus-b", "card-company", "2026-09-30")
        assert [step["event"] for step in again["steps"]] == ["open", "answer", "escalate"]
        page = await wang.get(f"/cases/{CASE}")
        assert "escalated to" in page.text
        await wang.post(f"/cases/{CASE}/proposal", data={"resolution": "adjust", "note": "the keeper decides"})
        assert await _escalated(house, 29) == []
        ended = (await li.post(f"/cases/{CASE}/approval")).json()
    assert (ended["state"], ended["resolution"], ended["proposed_by"], ended["approved_by"]) == (
        "closed",
        "adjust",
        "wang",
        "li",
    )
    async with house.database.reading() as session:
        (entry,) = [t for t in await ledger.unlinked(session, "transit") if t.id == f"case:{CASE}"]
    assert (entry.purpose, entry.debit, entry.credit, entry.amount.minor) == (
        "adjustment",
        "operator-payable:bus-b",
        "operator-payable:bus-a",
        350,
    )


async def test_what_is_proposed_waits_for_its_second_person(house: Any) -> None:
    async with house.staff("wang") as wang:
        await wang.post("/cases", data=DISPUTE)
        await wang.post(f"/cases/{CASE}/proposal", data={"resolution": "dismiss", "note": "no claim"})
        assert await _escalated(house, 28) == []
        await wang.post(f"/cases/{CASE}/withdrawal")
    assert await _escalated(house, 28) == [CASE]
